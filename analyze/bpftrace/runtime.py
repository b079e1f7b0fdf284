"""The state of a run: maps, printing, time, stacks. A compiled script calls it ``S``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from bpfrec.analyze.bpftrace import texts, timeseries
from bpfrec.analyze.bpftrace.callstacks import NONE, Stacks
from bpfrec.analyze.bpftrace.check import Checked
from bpfrec.analyze.bpftrace.errors import Span
from bpfrec.analyze.bpftrace.formats import INTEGERS, Format
from bpfrec.analyze.bpftrace.formats import integer as format_integer
from bpfrec.analyze.bpftrace.formats import pointer as format_pointer
from bpfrec.analyze.bpftrace.formats import raw as format_raw
from bpfrec.analyze.bpftrace.formats import string as format_string
from bpfrec.analyze.bpftrace.kinds import Aggregate, Int, Kind, Pointer
from bpfrec.analyze.bpftrace.memory import NotRecorded, to_bytes
from bpfrec.analyze.bpftrace.output import Output
from bpfrec.analyze.bpftrace.printing import Printer
from bpfrec.analyze.bpftrace.run_maps import new_map, reads_as_zero, zero
from bpfrec.analyze.bpftrace.run_pointers import Pointers
from bpfrec.analyze.bpftrace.scopes import MapInfo
from bpfrec.formats.errors import ReportError

_MOST_TURNS = 8 << 20
"""Turns of loops in one action; the kernel lets a program do about as many."""

_BY_ZERO = "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result."
_FULL = (
    "Map full; can't update element. Try increasing max_map_keys config or manually setting the max entries in a map "
    "declaration e.g. `let @a = hash(5000)`"
)


class Exit(Exception):  # noqa: N818 - it is no error
    """The script called exit()."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Runtime:
    """The state of one run of a script."""

    def __init__(self, checked: Checked, stacks: Stacks, output: Output, json: bool, warns: bool = True) -> None:
        self.checked = checked
        self.warns = warns
        self._warned: set[tuple[str, tuple[Span, ...]]] = set()
        self.dialect = checked.context.dialect
        self.held = checked.context.held
        self.maps = {name: new_map(info, partial(self._full, info)) for name, info in checked.maps.items()}
        self.stacks = stacks
        self.output = output
        self.json = json
        self.printer = Printer(
            self.dialect, stacks, checked.settings.stack_mode, checked.context.enumerators, self.held.utc_offset_s
        )
        self.turns = 0
        self.pointers = Pointers(checked.context.structs, checked.settings)
        self.now_ns = self.held.start_ns
        self.timer: Callable[[int], int] = lambda _t: 1 << 63
        if self.dialect.old:
            # 0.17 keeps a count() without keys in an array, which is there from the start.
            for name, info in checked.maps.items():
                if info.keys == () and isinstance(info.value, Aggregate) and info.value.form == "count":
                    self.maps[name][None] = 0

    # -- control

    def tick(self, now_ns: int) -> int:
        """Runs the timers that are due; when the next one is."""
        return self.timer(now_ns)

    def exit(self, code: int) -> NoReturn:
        """Ends the run."""
        raise Exit(code)

    def turn(self) -> None:
        """Counts a turn of a loop.

        Raises:
            ReportError: there are more than any kernel would permit.
        """
        self.turns += 1
        if self.turns > _MOST_TURNS:
            raise ReportError(f"a loop of the script went round {_MOST_TURNS} times", "bpftrace would not have run it.")

    def range(self, start: int, end: int) -> range:
        """The numbers of a loop."""
        self.turns += max(0, end - start)
        if self.turns > 16 * _MOST_TURNS:
            raise ReportError("the loops of the script go round too often")
        return range(start, end)

    def entries(self, name: str) -> list[tuple[Any, Any]]:
        """The entries of a map, as ``(key, value)``, in the order in which they are printed."""
        info = self.checked.maps[name]
        kinds = info.keys or ()
        kind = info.value
        pointer_keys = [i for i, k in enumerate(kinds) if isinstance(k, Pointer)]

        def key(value: Any) -> Any:
            if not pointer_keys:
                return value
            if len(kinds) == 1:
                return (value, None)
            return tuple((v, None) if i in pointer_keys else v for i, v in enumerate(value))

        ordered = self.printer.ordered(info, self.maps[name])
        if isinstance(kind, Aggregate):
            if kind.form in ("hist", "lhist", "stats", "tseries"):
                raise ReportError(f"{name} holds {kind.form}(), whose values cannot be read")
            return [(key(k), self.printer.number(info, v)) for k, v in ordered]
        return [(key(k), v) for k, v in ordered]

    # -- maps

    def read_count(self, data: dict[Any, Any], key: Any, _signed: bool) -> int:
        """The number that count() has for a key."""
        return int(data.get(key, 0))

    def read_sum(self, data: dict[Any, Any], key: Any, signed: bool) -> int:
        """The number that sum() has for a key."""
        value = data.get(key, 0) & (2**64 - 1)
        return int(value - 2**64 if signed and value >> 63 else value)

    def read_min(self, data: dict[Any, Any], key: Any, _signed: bool) -> int:
        """The number that min() or max() has for a key."""
        return int(data.get(key, 0))

    read_max = read_min

    def read_avg(self, data: dict[Any, Any], key: Any, signed: bool) -> int:
        """The average of a key."""
        value = data.get(key)
        return 0 if value is None else Printer.average(Aggregate("avg", signed), value)

    def _full(self, info: MapInfo) -> None:
        """Warns that a map has no room for a key."""
        assert info.declared is not None
        self.warn_once(_FULL, info.declared[:1])

    def clear(self, name: str) -> None:
        """Empties a map; in 0.17 a count() without keys stays and is zero."""
        info = self.checked.maps[name]
        data = self.maps[name]
        data.clear()
        if self.dialect.old and info.keys == () and isinstance(info.value, Aggregate) and info.value.form == "count":
            data[None] = 0

    def zero(self, name: str) -> None:
        """Sets the values of a map to zero; the keys stay."""
        info = self.checked.maps[name]
        data = self.maps[name]
        form = info.value.form if isinstance(info.value, Aggregate) else ""
        for key in data:
            if form in ("hist", "lhist"):
                data[key] = defaultdict(int)
            elif form == "tseries":
                data[key] = {}
            else:
                data[key] = [0, 0] if form in ("avg", "stats") else 0

    def add_to_series(self, series: dict[int, Any], value: int, kind: Aggregate, now_ns: int) -> None:
        """tseries(): adds a value to the interval of the wall clock that it falls into."""
        interval, most, way = kind.bounds
        timeseries.add(series, (now_ns + self.held.wall_offset_ns) // interval, value, timeseries.WAYS[way], most)

    # -- printing

    def printf(self, parsed: Format, kinds: tuple[Kind, ...], values: tuple[Any, ...]) -> None:
        """printf()"""
        text = self.formatted(parsed, kinds, values)
        self.output.write(Printer.json_line("printf", text, self.dialect) if self.json else text)

    def errorf(self, parsed: Format, kinds: tuple[Kind, ...], values: tuple[Any, ...], at: tuple[Span, ...]) -> None:
        """errorf()"""
        self._told("ERROR", self.formatted(parsed, kinds, values), at)

    def warnf(self, parsed: Format, kinds: tuple[Kind, ...], values: tuple[Any, ...], at: tuple[Span, ...]) -> None:
        """warnf()"""
        if self.warns:
            self._told("WARNING", self.formatted(parsed, kinds, values), at)

    def check(self, holds: object, text: str, at: tuple[Span, ...]) -> None:
        """assert()"""
        if not holds:
            self._told("ERROR", "assert failed" + (f": {text}" if text else ""), at)
            raise Exit(1)

    def warn_once(self, text: str, at: tuple[Span, ...]) -> None:
        """Warns of what happens at a place of the script, the first time that it does."""
        if self.warns and not self.dialect.old and (text, at) not in self._warned:
            self._warned.add((text, at))
            self._told("WARNING", text, at)

    def _told(self, severity: str, text: str, at: tuple[Span, ...]) -> None:
        """Writes to standard error, or as JSON, with the place, and the places where macros were used."""
        source = self.checked.source
        if self.json:
            what = {"ERROR": "errorf", "WARNING": "warnf"}[severity]
            file = (at[0].source or source).name
            line = {"type": what, "msg": text, "filename": file, "line": at[0].line, "col": at[0].column}
            self.output.write(Printer.json_object(line, self.dialect))
            return
        lines = [source.message(at[0], severity, text.removesuffix("\n"))]
        lines += [source.message(span, severity, "expanded from") for span in at[1:]]
        self.output.error("\n".join(lines) + "\n")

    def formatted(self, parsed: Format, kinds: tuple[Kind, ...], values: tuple[Any, ...]) -> str:
        """The text that a format makes of ``values``."""
        parts = [parsed.texts[0]]
        position = 0
        for conversion, text in zip(parsed.conversions, parsed.texts[1:], strict=False):
            stars = values[position : position + conversion.stars]
            position += conversion.stars
            value, kind = values[position], kinds[position]
            position += 1
            if conversion.form in INTEGERS:
                parts.append(format_integer(conversion, value, stars))
            elif conversion.form == "p":
                parts.append(format_pointer(conversion, value, self.dialect.old))
            elif conversion.form in ("r", "rx", "rh"):
                parts.append(format_raw(conversion, value if isinstance(value, bytes) else to_bytes(str(value))))
            else:
                shown = value if isinstance(value, str) else self.printer.text(kind, value)
                parts.append(format_string(conversion, shown, self.dialect.old, stars))
            parts.append(text)
        return "".join(parts)

    def print_map(self, name: str, top: int, div: int, _has_div: bool = False) -> None:
        """print(@map, top, div)"""
        info, data = self.checked.maps[name], self.maps[name]
        if not data and info.keys == () and not self.dialect.old and reads_as_zero(info):
            data = {None: zero(info.value)}
        if self.json:
            self.output.write(self.printer.json_map(info, data, top, div))
        else:
            self.output.write(self.printer.map(info, data, top, div))

    def print_value(self, value: Any, kind: Kind) -> None:
        """print(value)"""
        if self.json:
            self.output.write(Printer.json_line("value", self.printer.json_value(kind, value), self.dialect))
        else:
            self.output.write(self.printer.text(kind, value) + "\n")

    def print_entry(self, name: str, data: dict[Any, Any], key: Any) -> None:
        """print(@map[key]) of an aggregation."""
        info = MapInfo("", (), self.checked.maps[name].value)
        if key not in data:
            self.print_value(0, Int())
        elif self.json:
            line = self.printer.json_map(MapInfo(name, (), info.value), {None: data[key]})
            self.output.write(line)
        else:
            self.output.write(self.printer.map(info, {None: data[key]}).removeprefix(": ").removeprefix(":\n"))

    def print_all(self) -> None:
        """What is printed at the end: all maps in the order of their names."""
        if not self.json or self.dialect.old:
            self.output.write("\n\n")
        if self.checked.settings.print_maps_on_exit:
            for name in sorted(self.maps):
                if self.dialect.old or self.maps[name]:
                    self.print_map(name, 0, 0)

    def join(self, pointer: tuple[int, Any], separator: str) -> None:
        """join(): the strings of a vector in a line."""
        address, found = pointer
        if address and not isinstance(found, list):
            raise NotRecorded(f"a vector of strings at 0x{address:x}")
        kept: list[str] = []
        for text in found or []:
            if not text:
                break
            kept.append(text)
        line = separator.join(kept[:16] if self.dialect.old else kept)
        self.output.write(Printer.json_line("join", line, self.dialect) if self.json else line + "\n")

    def time(self, form: str, now_ns: int) -> None:
        """time()"""
        text = texts.local_time(form, now_ns, self.held)
        self.output.write(Printer.json_line("time", text, self.dialect) if self.json else text)

    def strftime(self, form: str, ns: int) -> str:
        """strftime()"""
        return texts.local_time(form, ns, self.held)

    # -- numbers

    def divide(self, a: int, b: int, at: tuple[Span, ...]) -> int:
        """Unsigned division; by zero it is 0 in 0.17 and 1 today, with a warning."""
        if b:
            return a // b
        self.warn_once(_BY_ZERO, at)
        return 0 if self.dialect.old else 1

    def modulo(self, a: int, b: int, at: tuple[Span, ...]) -> int:
        """Unsigned remainder; by zero it is the number in 0.17 and 1 today, with a warning."""
        if b:
            return a % b
        self.warn_once(_BY_ZERO, at)
        return a if self.dialect.old else 1

    # -- names

    def strerror(self, number: int) -> str:
        """strerror()"""
        return texts.strerror(number, self.dialect)

    def username(self, uid: int) -> str:
        """The name of a user."""
        return texts.username(uid, self.held)

    # -- stacks

    def stack(self, number: int | None, status: str | None, returned: int | None) -> int:
        """The number of the stack of a call.

        Raises:
            ReportError: none was asked for when it was recorded.
        """
        if number is not None:
            return number
        if status is None and returned is not None:
            raise ReportError(
                "the script asks for the stack of a call that was recorded without one",
                "record --stack-on all, or --stack-on with the names of the calls, would have taken it.",
            )
        return NONE

    def limited(self, number: int, limit: int | None) -> int:
        """The number of the innermost frames of a stack."""
        return self.stacks.limited(number, limit or 0)

    def depth(self, number: int) -> int:
        """How many frames a stack has."""
        return len(self.stacks.frames(number))

    def symbol(self, address: int) -> str:
        """usym()"""
        return self.stacks.symbol(address)

"""What a compiled script calls while it runs: maps, printing, memory, time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from bpfrec.analyze.bpftrace import histograms, texts, timeseries
from bpfrec.analyze.bpftrace.callstacks import NONE, Stacks
from bpfrec.analyze.bpftrace.check import Checked
from bpfrec.analyze.bpftrace.errors import Span
from bpfrec.analyze.bpftrace.formats import INTEGERS, Format
from bpfrec.analyze.bpftrace.formats import integer as format_integer
from bpfrec.analyze.bpftrace.formats import pointer as format_pointer
from bpfrec.analyze.bpftrace.formats import raw as format_raw
from bpfrec.analyze.bpftrace.formats import string as format_string
from bpfrec.analyze.bpftrace.kinds import Aggregate, Array, Bool, Int, Kind, Pointer, Str, Symbol, Tup
from bpfrec.analyze.bpftrace.memory import Memory, NotRecorded, rebuild, recorded_bytes, to_bytes, to_text
from bpfrec.analyze.bpftrace.output import Output
from bpfrec.analyze.bpftrace.printing import Printer
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


class FullMap(dict[Any, Any]):
    """A map with room for ``most`` entries: further ones are dropped, and ``full`` is called."""

    def __init__(self, most: int, make: Callable[[], Any] | None, full: Callable[[], None]) -> None:
        super().__init__()
        self._most, self._make, self._full = most, make, full

    def __missing__(self, key: Any) -> Any:
        if self._make is None:
            raise KeyError(key)
        self[key] = value = self._make()
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) < self._most or key in self:
            super().__setitem__(key, value)
        else:
            self._full()


def _maker(info: MapInfo) -> Callable[[], Any] | None:
    """What makes the value of a key that an aggregation sees first; None: it makes its own."""
    form = info.value.form if isinstance(info.value, Aggregate) else ""
    if form in ("count", "sum"):
        return int
    if form in ("hist", "lhist"):
        return lambda: defaultdict(int)
    return dict if form == "tseries" else None


def new_map(info: MapInfo, full: Callable[[], None]) -> dict[Any, Any]:
    """An empty map for what ``info`` says that it holds; ``full`` is called where it has no room."""
    make = _maker(info)
    if info.declared is not None:
        return FullMap(info.declared[1], make, full)
    return {} if make is None else defaultdict(make)


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
        self.incomplete: dict[str, int] = {}
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

    fine_bucket = staticmethod(histograms.fine_bucket)
    linear_bucket = staticmethod(histograms.linear_bucket)

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
        if not data and info.keys == () and not self.dialect.old and _is_zero(info):
            data = {None: _zero(info.value)}
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

    @staticmethod
    def swapped(value: int, size: int) -> int:
        """The bytes of a number in reverse."""
        return int.from_bytes(value.to_bytes(size, "little"), "big")

    # -- strings

    def cut(self, text: str, most: int) -> str:
        """At most so many bytes of a string; today's bpftrace says that it was cut."""
        data = to_bytes(text)
        if len(data) <= most:
            return text
        trailer = self.checked.settings.trailer
        return to_text(data[:most]) + (trailer if most >= self.checked.settings.string_bytes else "")

    def text(self, text: str | None, status: str, address: int) -> str:
        """A string of the trace that is not plain: with a reason why."""
        if status == "not-utf8" and text is not None:
            return to_text(recorded_bytes(text, status))
        if status in ("null", "unreadable") or not address:
            return ""
        self.incomplete[status] = self.incomplete.get(status, 0) + 1
        return text or ""

    def strings(self, values: list[str | None] | None) -> list[str]:
        """A vector of strings as far as it was copied."""
        return [value for value in values or [] if value is not None]

    def string(self, pointer: tuple[int, Any], most: int) -> str:
        """str() of a pointer."""
        address, found = pointer
        if not address:
            return ""
        if isinstance(found, str):
            return found if len(found) <= 15 <= most else self.cut(found, most)
        if isinstance(found, Memory):
            data, whole = found.text(address)
            if len(data) > most:
                return self.cut(to_text(data), most)
            if not whole and found.status != "unreadable":
                status = found.status or "truncated"
                self.incomplete[status] = self.incomplete.get(status, 0) + 1
            return to_text(data)
        raise NotRecorded(f"a string at 0x{address:x}")

    @staticmethod
    def number_text(value: int | str) -> str:
        """str($1): the parameter as text; '' for one that was not given."""
        return value if isinstance(value, str) else str(value) if value else ""

    @staticmethod
    def tail(text: str, start: int) -> str:
        """A string from a byte on."""
        return to_text(to_bytes(text)[max(0, start) :])

    @staticmethod
    def character(text: str, index: int) -> int:
        """A byte of a string; 0 behind its end."""
        data = to_bytes(text)
        value = data[index] if 0 <= index < len(data) else 0
        return value - 256 if value > 127 else value

    @staticmethod
    def strncmp(a: str, b: str, count: int) -> int:
        """0 where the first bytes are the same, else 1."""
        return int(to_bytes(a)[:count] != to_bytes(b)[:count])

    @staticmethod
    def find(text: str, part: str) -> int:
        """Where a string begins in another, in bytes; -1: nowhere."""
        return to_bytes(text).find(to_bytes(part))

    @staticmethod
    def length(text: str) -> int:
        """Bytes of a string."""
        return len(to_bytes(text))

    # -- memory

    @staticmethod
    def memory(kind: str, value: Any, address: int) -> Memory | None:
        """The memory at ``address``, of what the trace has of it."""
        return rebuild(kind, value, address)

    @staticmethod
    def _at(pointer: tuple[int, Any], offset: int) -> tuple[int, Memory | None]:
        address, found = pointer
        if isinstance(found, str):
            found = Memory(address, to_bytes(found) + b"\0")
        if address == 0:
            return 0, Memory(0, b"", "unreadable")
        return address + offset, found

    def load(self, pointer: tuple[int, Any], offset: int, size: int, signed: bool) -> int:
        """A number in memory."""
        address, memory = self._at(pointer, offset)
        if memory is None:
            raise NotRecorded(f"{size} bytes at 0x{address:x}")
        return int.from_bytes(memory.read(address, size), "little", signed=signed)

    def moved(self, pointer: tuple[int, Any], offset: int) -> tuple[int, Any]:
        """A pointer some bytes further."""
        address, memory = self._at(pointer, offset)
        return address & (2**64 - 1), memory

    def char_array(self, pointer: tuple[int, Any], offset: int, size: int) -> str:
        """The string in an array of char."""
        address, memory = self._at(pointer, offset)
        if memory is None:
            raise NotRecorded(f"{size} bytes at 0x{address:x}")
        data, whole = memory.text(address)
        if not whole and len(data) < size:
            data = memory.read(address, size)
        return to_text(data[:size])

    def load_array(self, pointer: tuple[int, Any], offset: int, kind: Array) -> tuple[Any, ...]:
        """An array in memory."""
        size = self.checked.context.structs.size(kind.item) or 1
        if isinstance(kind.item, Int):
            return tuple(self.load(pointer, offset + i * size, size, kind.item.signed) for i in range(kind.length))
        return tuple(self.moved(pointer, offset + i * size) for i in range(kind.length))

    @staticmethod
    def split(value: int, kind: Array) -> tuple[int, ...]:
        """A number as an array of smaller ones."""
        data = value.to_bytes(8, "little")
        if isinstance(kind.item, Bool):
            return tuple(byte != 0 for byte in data[: kind.length])
        assert isinstance(kind.item, Int)
        size = kind.item.bits // 8
        return tuple(
            int.from_bytes(data[i * size : (i + 1) * size], "little", signed=kind.item.signed)
            for i in range(kind.length)
        )

    @staticmethod
    def characters(text: str, kind: Array) -> tuple[int, ...]:
        """A string as an array of its bytes."""
        assert isinstance(kind.item, Int)
        data = to_bytes(text)[: kind.length].ljust(kind.length, b"\0")
        return tuple(byte - 256 if kind.item.signed and byte > 127 else byte for byte in data)

    @staticmethod
    def item(array: Any, index: int) -> int:
        """An item of an array; 0 outside."""
        return array[index] if 0 <= index < len(array) else 0

    def buffer(self, pointer: tuple[int, Any], length: int | None, most: int) -> bytes:
        """buf() of a pointer."""
        address, memory = self._at(pointer, 0)
        count = min(length or 0, most)
        if count <= 0:
            return b""
        if memory is None:
            raise NotRecorded(f"{count} bytes at 0x{address:x}")
        start = address - memory.base
        data = memory.data[start : start + count]
        if len(data) < count and memory.status != "unreadable":
            status = memory.status or "truncated"
            self.incomplete[status] = self.incomplete.get(status, 0) + 1
        return data

    @staticmethod
    def text_buffer(text: str, length: int | None) -> bytes:
        """buf() of a string."""
        data = to_bytes(text)
        return data if length is None else data[: max(0, length)].ljust(max(0, length), b"\0")

    def array_buffer(self, values: Any, length: int | None, kind: Array) -> bytes:
        """buf() of an array."""
        assert isinstance(kind.item, Int)
        size = kind.item.bits // 8
        data = b"".join((v & ((1 << kind.item.bits) - 1)).to_bytes(size, "little") for v in values)
        return data if length is None else data[: max(0, length)]

    # -- addresses

    ntop = staticmethod(texts.ntop)
    ntop_bytes = staticmethod(texts.ntop_bytes)
    pton = staticmethod(texts.pton)
    macaddr = staticmethod(texts.macaddr)

    def ntop_memory(self, family: int, pointer: tuple[int, Any]) -> str:
        """ntop() of a struct in memory: in6_addr has 16 bytes, in_addr 4."""
        address, memory = self._at(pointer, 0)
        if memory is None:
            raise NotRecorded(f"an address at 0x{address:x}")
        return texts.ntop_bytes(family, memory.read(address, 4 if family == 2 else 16))

    # -- names

    def strerror(self, number: int) -> str:
        """strerror()"""
        return texts.strerror(number, self.dialect)

    def username(self, uid: int) -> str:
        """The name of a user."""
        return texts.username(uid, self.held)

    syscall_name = staticmethod(texts.syscall_name)
    signal_name = staticmethod(texts.signal_name)

    @staticmethod
    def no_cpu() -> NoReturn:
        """cpu, where a new thread returns from the call that made it."""
        raise ReportError(
            "the script asks for the CPU on which a new thread began, which the trace does not hold",
            "Leave out clone, clone3, fork and vfork.",
        )

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

    @staticmethod
    def sampled_stack(number: int | None) -> int:
        """The number of the stack of a sample."""
        return NONE if number is None else number

    def limited(self, number: int, limit: int | None) -> int:
        """The number of the innermost frames of a stack."""
        return self.stacks.limited(number, limit or 0)

    def depth(self, number: int) -> int:
        """How many frames a stack has."""
        return len(self.stacks.frames(number))

    def symbol(self, address: int) -> str:
        """usym()"""
        return self.stacks.symbol(address)


def _is_zero(info: MapInfo) -> bool:
    """Whether a map without keys that was never set reads as zero, and is printed so when a script asks."""
    kind = info.value
    return isinstance(kind, (Int, Tup)) or (
        isinstance(kind, Aggregate) and kind.form not in ("hist", "lhist", "tseries")
    )


def _zero(kind: Kind) -> Any:
    if isinstance(kind, Tup):
        return tuple(_zero(item) for item in kind.items)
    if isinstance(kind, Aggregate) and kind.form in ("avg", "stats"):
        return [0, 0]
    if isinstance(kind, Pointer):
        return (0, None)
    return "" if isinstance(kind, (Str, Symbol)) else 0

"""What print(), and the end of a script, write: maps and values, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bpfrec.analyze.bpftrace import histograms, timeseries
from bpfrec.analyze.bpftrace.arithmetic import wrap
from bpfrec.analyze.bpftrace.callstacks import Stacks
from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.kinds import (
    I64,
    U64,
    Aggregate,
    Array,
    Bool,
    Bytes,
    Int,
    Kind,
    Pointer,
    Stack,
    Struct,
    Symbol,
    Tup,
)
from bpfrec.analyze.bpftrace.scopes import MapInfo


def divided(value: int, div: int) -> int:
    """C's division, towards zero."""
    return -(-value // div) if (value < 0) != (div < 0) else value // div


class Printer:
    """Writes values of one script."""

    def __init__(
        self,
        dialect: Dialect,
        stacks: Stacks,
        stack_mode: str = "bpftrace",
        enumerators: dict[str, dict[int, str]] | None = None,
        utc_offset_s: int = 0,
    ) -> None:
        self.dialect = dialect
        self.utc_offset_s = utc_offset_s
        self.enumerators = enumerators or {}
        self.stacks = stacks
        self.stack_mode = stack_mode

    # -- values

    def text(self, kind: Kind, value: Any, *, in_key: bool = False) -> str:
        """A value as print() and %s write it."""
        match kind:
            case Int(enum=enum) if enum:
                return self.enumerators[enum].get(int(value), str(int(value)))
            case Int() | Aggregate():
                return str(int(value))
            case Bool():
                return "true" if value else "false"
            case Pointer():
                address = value if isinstance(value, int) else value[0]
                return str(address) if self.dialect.old and not in_key else f"0x{address:x}"
            case Tup():
                parts = [self.text(item, part, in_key=in_key) for item, part in zip(kind.items, value, strict=True)]
                if kind.names:
                    named = zip(kind.names, parts, strict=True)
                    return "{ " + ", ".join(f".{name} = {part}" for name, part in named) + " }"
                return f"({', '.join(parts)})"
            case Stack():
                return self.stack(kind, value, in_key=in_key)
            case Bytes():
                return "".join(chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}" for b in value)
            case Array():
                if isinstance(value, str):
                    return value
                return "[" + ",".join(self.text(kind.item, part) for part in value) + "]"
            case Struct():
                return f"0x{value[0]:x}"
            case Symbol():
                return str(value)
        return str(value)

    def stack(self, kind: Stack, value: int, *, in_key: bool = False) -> str:
        """A stack: a line break, then a line for each frame."""
        mode = self.stack_mode if kind.mode == "bpftrace" else kind.mode
        indent = "    " if in_key and self.dialect.old else "        "
        return "\n" + "".join(f"{line}\n" for line in self.stacks.lines(value, mode, indent))

    # -- maps

    def key(self, info: MapInfo, key: Any) -> str:
        """A key as it stands in brackets; '' for a map without keys."""
        kinds = info.keys or ()
        if not kinds:
            return ""
        parts = [key] if len(kinds) == 1 else key
        texts = (
            self.text(_key_kind(kind, self.dialect), part, in_key=True) for kind, part in zip(kinds, parts, strict=True)
        )
        return f"[{', '.join(texts)}]"

    def number(self, info: MapInfo, value: Any) -> int:
        """The number that a map of numbers holds for a key."""
        kind = info.value
        if isinstance(kind, Aggregate):
            if kind.form in ("avg", "stats"):
                return self.average(kind, value)
            return wrap(value, I64 if kind.signed or kind.form == "count" else U64)
        return int(value)

    @staticmethod
    def average(kind: Aggregate, value: list[int]) -> int:
        """Total by count, towards zero."""
        count, total = value
        total = wrap(total, I64 if kind.signed else U64)
        return divided(total, count) if count else 0

    def ordered(self, info: MapInfo, data: dict[Any, Any]) -> list[tuple[Any, Any]]:
        """The entries in the order in which they are printed: numbers by value, ties and the rest by key."""
        entries = sorted(data.items(), key=lambda entry: _sortable(entry[0], info.keys or (), self.dialect))
        kind = info.value
        if isinstance(kind, Aggregate):
            if kind.form == "tseries":
                return sorted(entries, key=lambda entry: max(entry[1], default=0))
            if kind.form in ("hist", "lhist"):
                return sorted(entries, key=lambda entry: sum(entry[1].values()))
            return sorted(entries, key=lambda entry: self.number(info, entry[1]))
        if isinstance(kind, (Int, Bool)):
            return sorted(entries, key=lambda entry: int(entry[1]))
        return entries

    def _entries(self, info: MapInfo, form: str, data: dict[Any, Any], top: int) -> list[tuple[Any, Any]]:
        """The entries to show; of time series the intervals up to the last that any of them has."""
        entries = self.ordered(info, data)
        if top and not (form == "stats" and self.dialect.old):
            entries = entries[-top:]
        if form == "tseries":
            assert isinstance(info.value, Aggregate)
            _, most, way = info.value.bounds
            last = max((epoch for series in data.values() for epoch in series), default=0)
            return [(key, timeseries.shown(series, last, most, timeseries.WAYS[way])) for key, series in entries]
        return entries

    def map(self, info: MapInfo, data: dict[Any, Any], top: int = 0, div: int = 0) -> str:
        """A whole map as text: of ``top`` entries, the last ones, values divided by ``div``."""
        kind = info.value
        form = kind.form if isinstance(kind, Aggregate) else ""
        entries = self._entries(info, form, data, top)
        if not entries:
            return "\n" if self.dialect.old else ""
        lines: list[str] = []
        for key, value in entries:
            lines += self._entry(info, form, key, value, div or 1)
        if form in ("avg", "stats") and self.dialect.old:
            lines.append("")
        return "".join(f"{line}\n" for line in lines)

    def _entry(self, info: MapInfo, form: str, key: Any, value: Any, div: int) -> Iterable[str]:
        name = f"{info.name}{self.key(info, key)}:"
        if form in ("hist", "lhist"):
            yield name + " " if self.dialect.old else name
            yield from self._buckets(info, form, value, div)
            yield ""
        elif form == "tseries":
            assert isinstance(info.value, Aggregate)
            yield name
            yield from timeseries.lines(value, info.value.bounds[0], self.utc_offset_s)
            yield ""
        elif form == "stats":
            assert isinstance(info.value, Aggregate)
            count, total = value
            average = self.average(info.value, value)
            total = wrap(total, I64 if info.value.signed else U64)
            if self.dialect.old:
                yield f"{name} count {count}, average {average}, total {total}"
            else:
                yield f"{name} {{ .count = {count}, .average = {average}, .total = {total} }}"
        elif form:
            yield f"{name} {divided(self.number(info, value), div)}"
        elif isinstance(info.value, Int):
            yield f"{name} {self.text(info.value, divided(value, div))}"
        else:
            text = self.text(info.value, value)
            yield f"{name} {text}" if not text.endswith("\n") else f"{name} {text[:-1]}"

    def _buckets(self, info: MapInfo, form: str, value: dict[int, int], div: int) -> Iterator[str]:
        assert isinstance(info.value, Aggregate)
        if form == "hist":
            return histograms.hist_lines(value, info.value.bounds[0], div, self.dialect)
        return histograms.lhist_lines(value, info.value.bounds, div, self.dialect)

    # -- JSON

    def json_value(self, kind: Kind, value: Any) -> Any:
        """A value as JSON has it."""
        match kind:
            case Int() | Aggregate():
                return self._json_number(int(value))
            case Bool():
                return bool(value)
            case Tup():
                parts = [self.json_value(item, part) for item, part in zip(kind.items, value, strict=True)]
                return dict(zip(kind.names, parts, strict=True)) if kind.names else parts
            case Array() if not isinstance(value, str):
                return [self.json_value(kind.item, part) for part in value]
        if isinstance(kind, Pointer) and not self.dialect.old:
            return self._json_number(value if isinstance(value, int) else value[0])
        return self.text(kind, value)

    def _json_number(self, value: int) -> int | str:
        """A number; today's bpftrace writes one that no double holds exactly as a string."""
        return value if self.dialect.old or int(float(value)) == value else str(value)

    def json_map(self, info: MapInfo, data: dict[Any, Any], top: int = 0, div: int = 0) -> str:
        """A whole map as a line of JSON; '' for an empty one."""
        kind = info.value
        form = kind.form if isinstance(kind, Aggregate) else ""
        entries = self._entries(info, form, data, top)
        if not entries:
            return ""
        shown = {self._json_key(info, key): self._json_entry(info, form, value, div or 1) for key, value in entries}
        what = {"lhist": "hist", "avg": "stats"}.get(form, form if form in ("hist", "stats", "tseries") else "map")
        content = shown if info.keys else next(iter(shown.values()))
        return self.json_line(what, {info.name: content}, self.dialect)

    def _json_key(self, info: MapInfo, key: Any) -> str:
        kinds = info.keys or ()
        parts = [key] if len(kinds) == 1 else key or ()
        texts = [
            self.text(_key_kind(kind, self.dialect), part, in_key=True) for kind, part in zip(kinds, parts, strict=True)
        ]
        joined = ",".join(texts)
        return joined if self.dialect.old else joined.replace(" ", "")

    def _json_entry(self, info: MapInfo, form: str, value: Any, div: int) -> Any:
        kind = info.value
        if isinstance(kind, Aggregate):
            if form == "hist":
                return histograms.hist_json(value, kind.bounds[0])
            if form == "tseries":
                return timeseries.points_json(value, kind.bounds[0], self.utc_offset_s)
            if form == "lhist":
                return histograms.lhist_json(value, kind.bounds)
            if form == "stats":
                total = wrap(value[1], I64 if kind.signed else U64)
                return {"count": value[0], "average": self.average(kind, value), "total": total}
            return self._json_number(divided(self.number(info, value), div))
        if isinstance(kind, Int):
            return self._json_number(divided(value, div))
        return self.json_value(kind, value)

    @staticmethod
    def attached_line(probes: int, dialect: Dialect) -> str:
        """The line of ``-f json`` that comes first."""
        count = {} if dialect.old else {"count": probes}
        return _json({"type": "attached_probes"} | count | {"data": {"probes": probes}}, dialect) + "\n"

    @staticmethod
    def json_object(value: dict[str, Any], dialect: Dialect) -> str:
        """A line of ``-f json`` that has more than a type and data."""
        return _json(value, dialect) + "\n"

    @staticmethod
    def json_line(what: str, data: Any, dialect: Dialect) -> str:
        """One object of ``-f json``."""
        return _json({"type": what, "data": data}, dialect) + "\n"


def _json(value: Any, dialect: Dialect) -> str:
    """JSON with blanks where bpftrace has them: in objects, and in 0.17 between objects."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(key, dialect)}: {_json(item, dialect)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        has_objects = any(isinstance(item, dict) for item in value)
        return "[" + (", " if has_objects and dialect.old else ",").join(_json(v, dialect) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key_kind(kind: Kind, dialect: Dialect) -> Kind:
    return I64 if dialect.old and isinstance(kind, Int) else kind


def _sortable(key: Any, kinds: tuple[Kind, ...], dialect: Dialect) -> tuple[Any, ...]:
    """A key as it is compared: numbers as such, unsigned in 0.17, strings as bytes."""
    parts = (key,) if len(kinds) == 1 else key or ()
    return tuple(_comparable(part, kind, dialect) for part, kind in zip(parts, kinds, strict=True))


def _comparable(part: Any, kind: Kind, dialect: Dialect) -> Any:
    if isinstance(part, str):
        return part.encode("utf-8", "surrogateescape")
    if isinstance(kind, Tup):
        return tuple(_comparable(item, inner, dialect) for item, inner in zip(part, kind.items, strict=True))
    if isinstance(part, int) and dialect.old:
        return part & (2**64 - 1)
    return part

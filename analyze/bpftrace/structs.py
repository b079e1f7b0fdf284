"""Structs that a script may look into: those of ``kernel_structs.bt``, and its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.errors import Problem, Source
from bpfrec.analyze.bpftrace.kinds import Array, Bool, Int, Kind, Pointer, Struct, Tup, named_type
from bpfrec.analyze.bpftrace.parse import parse


@dataclass(frozen=True)
class Place:
    """A member: its type and its offset in bytes."""

    kind: Kind
    offset: int


@dataclass(frozen=True)
class Layout:
    """A struct or union: its members by name, and its size and alignment in bytes."""

    members: dict[str, Place]
    size: int
    alignment: int


class Structs:
    """The structs that a script knows."""

    def __init__(self, definitions: Iterable[tree.StructDefinition] = ()) -> None:
        self._layouts = dict(_kernel_structs()) if definitions is not _NO_STRUCTS else {}
        for definition in definitions:
            self._layouts[definition.name] = self._layout(definition)

    def get(self, name: str) -> Layout | None:
        """The struct of that name."""
        return self._layouts.get(name)

    def size(self, kind: Kind) -> int | None:
        """Bytes of a value of ``kind``; None where that is not known."""
        match kind:
            case Int():
                return kind.bits // 8
            case Bool():
                return 1
            case Pointer():
                return 8
            case Struct(name):
                layout = self.get(name)
                return layout.size if layout else None
            case Array(item, length):
                inner = self.size(item)
                return None if inner is None else inner * length
            case Tup(items):
                return self._tuple_size(items)
        return None

    def _tuple_size(self, items: tuple[Kind, ...]) -> int | None:
        """Bytes of a tuple, whose items are aligned as those of a struct are."""
        end, alignment = 0, 1
        for item in items:
            size = self.size(item)
            if size is None:
                return None
            boundary = self._alignment(item)
            end = -(-end // boundary) * boundary + size
            alignment = max(alignment, boundary)
        return -(-end // alignment) * alignment

    def resolve(self, written: tree.TypeName) -> Kind:
        """The type that a script names; what stands in ``typeof()`` has been checked before.

        Raises:
            Problem: there is none of that name.
        """
        kind = _plain(written.of.kind) if written.of is not None else named_type(written.words)
        if kind is None:
            raise Problem(written.span, f"Unknown type: {' '.join(written.words)}")
        for _ in range(written.stars):
            kind = Pointer(None if str(kind) == "void" else kind)
        for length in reversed(written.lengths):
            kind = Array(kind, length)
        return kind

    def offset(self, node: tree.OffsetOf) -> int:
        """Bytes from the start of a struct to a member.

        Raises:
            Problem: it has none of that name.
        """
        kind: Kind = self.resolve(node.target)
        offset = 0
        for name in node.path:
            layout = self.get(kind.name) if isinstance(kind, Struct) else None
            if layout is None or name not in layout.members:
                raise Problem(node.span, f"'{kind}' has no member '{name}'")
            kind, offset = layout.members[name].kind, offset + layout.members[name].offset
        return offset

    def _layout(self, definition: tree.StructDefinition) -> Layout:
        members: dict[str, Place] = {}
        end, alignment = 0, 1
        for member in definition.members:
            if member.nested is not None:
                self._layouts[member.nested.name] = self._layout(member.nested)
            kind = self.resolve(member.type_name)
            size = self.size(kind)
            if size is None:
                raise Problem(member.span, f"Cannot resolve unknown type: {kind}")
            boundary = 1 if definition.is_packed else self._alignment(kind)
            offset = 0 if definition.is_union else -(-end // boundary) * boundary
            members[member.name] = Place(kind, offset)
            end = max(end, offset + size)
            alignment = max(alignment, boundary)
        return Layout(members, -(-end // alignment) * alignment, alignment)

    def _alignment(self, kind: Kind) -> int:
        match kind:
            case Struct(name):
                layout = self.get(name)
                return layout.alignment if layout else 1
            case Array(item, _):
                return self._alignment(item)
            case Tup(items):
                return max(map(self._alignment, items), default=1)
        return self.size(kind) or 1


def _plain(kind: Kind) -> Kind:
    return Int(kind.bits, kind.signed) if isinstance(kind, Int) else kind


_NO_STRUCTS: tuple[tree.StructDefinition, ...] = ()


@cache
def _kernel_structs() -> dict[str, Layout]:
    name = "kernel_structs.bt"
    text = files("bpfrec.analyze.bpftrace").joinpath(name).read_text("utf-8")
    known = Structs(_NO_STRUCTS)
    for definition in parse(Source(name, text)).structs:
        known._layouts[definition.name] = known._layout(definition)
    return known._layouts

"""Fields, items and elements."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.folding import folded
from bpfrec.analyze.bpftrace.kinds import (
    UNKNOWN,
    Args,
    Array,
    Bytes,
    Int,
    Kind,
    Pointer,
    Str,
    Struct,
    Tup,
    Unknown,
    is_number,
)
from bpfrec.analyze.bpftrace.probes import Source


class MemberCheck:
    """Gives parts of values their types; ``check`` gives the type of an expression."""

    def __init__(self, context: Context, check: Callable[[tree.Expression], Kind]) -> None:
        self.c = context
        self.check = check

    def field(self, node: tree.Field) -> Kind:
        """The type of a field of args, a struct or a record."""
        base = self.check(node.base)
        match base:
            case Args():
                return self._args_field(node)
            case Tup() if base.names:
                if node.name not in base.names:
                    raise Problem(node.span, f"Record does not contain a field named '{node.name}'")
                return base.items[base.names.index(node.name)]
            case Pointer(Struct() as struct) | (Struct() as struct):
                layout = self.c.structs.get(struct.name)
                if layout is None:
                    raise Problem(
                        node.span,
                        f"Unknown struct/union: 'struct {struct.name}': what it holds was not recorded",
                    )
                if node.name not in layout.members:
                    raise Problem(
                        node.span,
                        f"Struct/union of type 'struct {struct.name}' does not contain a field named '{node.name}'",
                    )
                return layout.members[node.name].kind
            case Unknown():
                return UNKNOWN
        raise Problem(node.span, f"Can not access field '{node.name}' on expression of type '{base}'")

    def _args_field(self, node: tree.Field) -> Kind:
        kinds = []
        for site in self.c.sites:
            if node.name.startswith("common_"):
                raise Problem(node.span, "BPF does not support accessing common tracepoint fields")
            if site.fields is None or node.name not in site.fields:
                event = site.name.partition(":")[2].replace(":", "_")
                raise Problem(
                    node.span,
                    f"Struct/union of type 'struct _tracepoint_{event}' does not contain a field named '{node.name}'",
                )
            if site.source is Source.PROCESS_EXIT and node.name == "prio":
                raise Problem(node.span, "args.prio cannot be replayed: the trace does not hold priorities")
            kinds.append(site.fields[node.name].kind)
        pointers = {k for k in kinds if isinstance(k, Pointer)}
        if pointers and len(set(kinds)) > 1:
            if len(pointers) < len(set(kinds)):
                raise Problem(node.span, f"args.{node.name} is a pointer at some of these probes and none at others")
            return Pointer(None)
        return kinds[0]

    def item(self, span: Span, base: Kind, position: int) -> Kind:
        """The type of an item of a tuple of the type ``base``."""
        if isinstance(base, Unknown):
            return UNKNOWN
        if not isinstance(base, Tup):
            raise Problem(span, f"Can not access index '{position}' on expression of type '{base}'")
        if position >= len(base.items):
            raise Problem(span, f"Invalid tuple index: {position}. Found {len(base.items)} elements in tuple.")
        return base.items[position]

    def index(self, node: tree.Index) -> Kind:
        """The type of an element."""
        base = self.check(node.base)
        index = self.check(node.index)
        if not is_number(index) and not isinstance(index, (Unknown, Pointer)):
            raise Problem(node.index.span, f"The array index operator [] expects an integer, not '{index}'")
        match base:
            case Tup():
                position = folded(node.index, self.c.dialect, node.index.kind)
                if position is None:
                    raise Problem(node.index.span, "the index of a tuple has to be a literal")
                return self.item(node.span, base, position)
            case Array(item, length):
                if isinstance(node.index, tree.Integer) and node.index.value >= length:
                    raise Problem(
                        node.span, f"the index {node.index.value} is out of bounds for array of size {length}"
                    )
                return item
            case Pointer(to) if to is not None:
                return to
            case Str():
                return Int(8, True)
            case Bytes():
                return Int(8, False)
            case Unknown():
                return UNKNOWN
        raise Problem(node.span, f"The array index operator [] can only be used on arrays and pointers, found {base}.")

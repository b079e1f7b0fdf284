"""Keys and values of maps."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.kinds import (
    CASTABLE,
    STRING,
    Aggregate,
    Int,
    Kind,
    Str,
    Tup,
    Unknown,
    Void,
    is_number,
    readable,
    same_family,
)
from bpfrec.analyze.bpftrace.scopes import MapInfo


class MapCheck:
    """Finds out what the keys and values of maps are; ``check`` gives the type of an expression."""

    def __init__(self, context: Context, check: Callable[[tree.Expression], Kind]) -> None:
        self.c = context
        self.check = check

    def keys(self, node: tree.Map) -> MapInfo:
        """Checks the keys of a map and notes their types."""
        kinds = []
        for key in node.keys:
            kind = readable(self.check(key))
            if isinstance(kind, (Void, Aggregate)) and not is_number(kind):
                raise Problem(key.span, f"{kind} cannot be used as a map key")
            if isinstance(kind, Str) and kind.form == "strerror":
                kind = STRING
            kinds.append(kind)
        if len(kinds) == 1 and isinstance(kinds[0], Tup) and not self.c.dialect.old and not kinds[0].names:
            kinds = list(kinds[0].items)
            node.keys = _spread(node.keys[0])
        info = self.c.map(node.name)
        if info.keys is None or any(isinstance(k, Unknown) for k in info.keys):
            info.keys = tuple(kinds)
            self.c.changed = True
        elif not _same_keys(info.keys, tuple(kinds)):
            raise Problem(
                node.span,
                f"Argument mismatch for {node.name}: trying to access with arguments: '{_listed(kinds)}' when map "
                f"expects arguments: '{_listed(info.keys)}'",
            )
        else:
            merged = tuple(_merge(self.c.dialect, a, b) for a, b in zip(info.keys, kinds, strict=True))
            if merged != info.keys:
                info.keys = merged
                self.c.changed = True
        return info

    def value(self, node: tree.Map) -> Kind:
        """The type of what a map gives when it is read."""
        info = self.keys(node)
        info.read = True
        self.c.defined(node.name, node.span)
        if isinstance(info.value, Aggregate) and info.value.form not in CASTABLE and self.c.final:
            raise Problem(node.span, f"Map value '{info.value}' cannot be read: it can only be printed")
        return info.value

    def widen(self, info: MapInfo, low: int, high: int) -> None:
        """Notes what a map of integers is assigned."""
        if low < info.low or high > info.high:
            info.low, info.high = min(low, info.low), max(high, info.high)
            self.c.changed = True


def _spread(key: tree.Expression) -> list[tree.Expression]:
    if isinstance(key, tree.Tuple):
        return list(key.items)
    kind = key.kind
    assert isinstance(kind, Tup)
    return [tree.Item(key.span, key, i, kind=item) for i, item in enumerate(kind.items)]


def _listed(kinds: tuple[Kind, ...] | list[Kind]) -> str:
    return "[" + ", ".join(map(str, kinds)) + "]" if kinds else ""


def _same_keys(first: tuple[Kind, ...], second: tuple[Kind, ...]) -> bool:
    return len(first) == len(second) and all(map(same_family, first, second))


def _merge(dialect: Dialect, first: Kind, second: Kind) -> Kind:
    if isinstance(first, Unknown):
        return second
    if isinstance(first, Int) and isinstance(second, Int) and first != second:
        return arithmetic.meet(dialect, first, second)
    return first

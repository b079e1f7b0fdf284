"""Maps as they are held while a script runs: empty ones, and what they read as."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from bpfrec.analyze.bpftrace.kinds import Aggregate, Int, Kind, Pointer, Str, Symbol, Tup
from bpfrec.analyze.bpftrace.scopes import MapInfo


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


def reads_as_zero(info: MapInfo) -> bool:
    """Whether a map without keys that was never set reads as zero, and is printed so when a script asks."""
    kind = info.value
    return isinstance(kind, (Int, Tup)) or (
        isinstance(kind, Aggregate) and kind.form not in ("hist", "lhist", "tseries")
    )


def zero(kind: Kind) -> Any:
    """What a map without keys reads as that was never set."""
    if isinstance(kind, Tup):
        return tuple(zero(item) for item in kind.items)
    if isinstance(kind, Aggregate) and kind.form in ("avg", "stats"):
        return [0, 0]
    if isinstance(kind, Pointer):
        return (0, None)
    return "" if isinstance(kind, (Str, Symbol)) else 0

"""What the check knows of maps and variables."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfrec.analyze.bpftrace.errors import Span
from bpfrec.analyze.bpftrace.kinds import UNKNOWN, Kind


@dataclass
class MapInfo:
    """A map: the types of its keys (None: not known yet; empty: it has none) and of its values.

    ``low``, ``high``: bounds of integers that it is assigned, wide where it is counted up; ``read``: whether it is read
    other than by printing it whole; ``declared``: where the script says how many entries it may have, and how many
    (None: no limit); ``is_wrong``: what is assigned to it has no type, which has been told.
    """

    name: str
    keys: tuple[Kind, ...] | None = None
    value: Kind = UNKNOWN
    low: int = 0
    high: int = 0
    read: bool = False
    declared: tuple[Span, int] | None = None
    is_wrong: bool = False


@dataclass
class VariableInfo:
    """A variable of an action; ``slot`` is unique in it."""

    slot: str
    kind: Kind = UNKNOWN
    declared: bool = False


@dataclass
class Scope:
    """The variables of a block, within those of the block around it."""

    variables: dict[str, VariableInfo] = field(default_factory=dict)
    outer: Scope | None = None

    def find(self, name: str) -> VariableInfo | None:
        """The variable of that name that is seen here."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.variables:
                return scope.variables[name]
            scope = scope.outer
        return None

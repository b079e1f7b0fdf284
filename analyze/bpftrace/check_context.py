"""What the check of one script knows while it goes through it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.analyze.bpftrace.kinds import Kind, Unknown
from bpfrec.analyze.bpftrace.probes import Site
from bpfrec.analyze.bpftrace.scopes import MapInfo, Scope, VariableInfo
from bpfrec.analyze.bpftrace.structs import Structs


@dataclass
class Context:
    """All that the check of one script shares. ``final``: errors count; before, types are still being found."""

    dialect: Dialect
    held: Holdings
    structs: Structs
    parameters: list[str]
    options: dict[str, str]
    described: dict[str, str] = field(default_factory=dict)
    maps: dict[str, MapInfo] = field(default_factory=dict)
    enums: dict[str, int] = field(default_factory=dict)
    enum_of: dict[str, str] = field(default_factory=dict)
    enumerators: dict[str, dict[int, str]] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    scope: Scope = field(default_factory=Scope)
    action: Scope = field(default_factory=Scope)
    kept: dict[tuple[int, str], Kind] = field(default_factory=dict)
    slots: int = 0
    loops: int = 0
    final: bool = False
    changed: bool = False
    remarks: dict[str, None] = field(default_factory=dict)
    warnings: dict[tuple[Span, str], None] = field(default_factory=dict)

    def map(self, name: str) -> MapInfo:
        """The map of that name, made when it is first named."""
        return self.maps.setdefault(name, MapInfo(name))

    def variable(self, name: str, scope: Scope) -> VariableInfo:
        """A new variable in ``scope``."""
        self.slots += 1
        info = VariableInfo(f"v{self.slots}_" + "".join(c if c.isalnum() else "_" for c in name[1:]))
        scope.variables[name] = info
        return info

    def warn(self, span: Span, text: str) -> None:
        """Notes a warning that bpftrace prints."""
        if self.final:
            self.warnings[span, text] = None

    def defined(self, name: str, span: Span) -> MapInfo:
        """A map that is read.

        Raises:
            Problem: nothing is ever assigned to it.
        """
        info = self.map(name)
        if self.final and isinstance(info.value, Unknown) and not info.is_wrong:
            raise Problem(span, f"Undefined map: {name}")
        return info

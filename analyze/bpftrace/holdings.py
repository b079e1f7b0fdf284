"""What a trace holds that scripts can ask for, and which option of ``record`` would have taken the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.views.recording import wall_offset_ns

if TYPE_CHECKING:
    from bpfrec.analyze.facade import Trace


@dataclass(frozen=True)
class Holdings:
    """What was recorded: ``calls`` by name (None: all), the rest as the options of ``record`` say it.

    Times are ns on CLOCK_MONOTONIC; ``wall_offset_ns`` takes them to the wall clock (UTC).
    """

    calls: frozenset[str] | None = None
    failed_only: bool = False
    data_bytes: int = 0
    environment: bool = False
    stacks: str = "full"
    stack_on: frozenset[str] = frozenset()
    profile_hz: int | None = None
    cpus: int = 1
    command_pid: int | None = None
    host: str = ""
    start_ns: int = 0
    stop_ns: int = 0
    wall_offset_ns: int = 0
    utc_offset_s: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def holds(self, call: str) -> bool:
        """Whether the call of that name was recorded when it was made."""
        return self.calls is None or call in self.calls


def holdings(trace: Trace) -> Holdings:
    """What ``trace`` holds. A manifest is a stranger's: what is not of the right type counts as not said."""
    manifest = trace.manifest
    said = manifest.configuration
    command = manifest.command or {}
    events = said.get("events")
    return Holdings(
        calls=frozenset(map(str, events)) if isinstance(events, list) else None,
        failed_only=said.get("failed_only") is True,
        data_bytes=_number(said.get("data_bytes")) or 0,
        environment=said.get("environment") is True,
        stacks=str(said.get("stacks", "full")),
        stack_on=frozenset(map(str, said["stack_on"])) if isinstance(said.get("stack_on"), list) else frozenset(),
        profile_hz=_number(said.get("profile_hz")),
        cpus=manifest.host.cpus,
        command_pid=_number(command.get("pid")),
        host=manifest.host.name,
        start_ns=manifest.start_ns,
        stop_ns=manifest.stop_ns,
        wall_offset_ns=wall_offset_ns(manifest),
        utc_offset_s=manifest.clock.utc_offset_s,
        counts={str(name): count for name, count in manifest.syscalls.items()},
    )


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

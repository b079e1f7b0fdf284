"""record/session/draining.py: in which order what the rings held is read, learned and spooled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bpfrec.bpf.sideband import Event
from bpfrec.record.session.careful import Careful
from bpfrec.record.session.channel import Channel, Channels
from bpfrec.record.session.draining import Drain
from bpfrec.record.session.working_folder import SpoolKind


class Ring:
    """A ring that holds ``data`` and says in ``log`` when it is given back."""

    size, cpu = 64, 0

    def __init__(self, log: list[str], name: str, data: bytes) -> None:
        self._log, self._name, self._data = log, name, data

    def pending(self) -> tuple[int, list[memoryview]]:
        return len(self._data), [memoryview(self._data)] if self._data else []

    def release(self, _head: int) -> None:
        self._log.append(f"release {self._name}")
        self._data = b""


class Spools:
    """Says in ``log`` what is spooled."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def write(self, kind: SpoolKind, _cpu: int, _slices: object) -> None:
        self._log.append(f"spool {kind}")

    def append(self, kind: SpoolKind, _rows: bytes) -> None:
        self._log.append(f"spool {kind}")


class Learner:
    """Says in ``log`` what it is given, and learns something each time."""

    is_behind = False

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def take(self, _cpu: int, _data: bytes) -> None:
        self._log.append("take")

    def notice(self, _events: list[Event], _drained_at: int) -> None:
        self._log.append("notice")

    def work(self) -> bytes:
        self._log.append("work")
        return b"row"


def drained(*, learns: bool) -> list[str]:
    log: list[str] = []
    spools: Any = Spools(log)
    tracker: Any = SimpleNamespace(careful=Careful(), notice=lambda _events, _now: log.append("track"))
    held = {SpoolKind.CALLS: b"c" * 8, SpoolKind.SIDE_BAND: b"", SpoolKind.SNAPSHOTS: b"s" * 8}
    rings: dict[SpoolKind, list[Any]] = {kind: [Ring(log, str(kind), data)] for kind, data in held.items()}
    calls, side_band, snapshots = (Channel(kind, rings[kind], spools) for kind in held)
    drain = Drain(Channels(side_band, calls, snapshots), tracker, spools)
    learner: Any = Learner(log)
    drain.learner, snapshots.consumer = learner, learner.take
    drain.drain(learns=learns)
    return log


def test_a_stack_is_learned_before_its_snapshots_are_written() -> None:
    assert drained(learns=True) == [
        "spool calls",
        "release calls",
        # What was mapped is known before stacks are unwound.
        "track",
        "release snapshots",
        "take",
        "notice",
        "work",
        "spool snapshots",
        # What was learned names snapshots, which have to be there.
        "spool learned",
    ]


def test_the_last_drains_learn_nothing() -> None:
    assert drained(learns=False)[-2:] == ["notice", "spool snapshots"]

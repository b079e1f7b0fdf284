"""record/session/tracker.py: whose programs may be gone soon."""

from __future__ import annotations

import pytest

from bpfrec.bpf.sideband import Comm, Fork
from bpfrec.record.session import tracker
from bpfrec.record.session.tracker import ProcessTracker


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(tracker, "time", found)
    return found


def test_who_executes_programs_is_looked_at_more_often_for_a_while(clock: Clock) -> None:
    known = ProcessTracker({7}, follow=True)
    known.notice([Comm(1, 8, 8, "other", exec=True), Comm(1, 7, 7, "renamed", exec=False)], 2)
    assert not known.is_lively
    known.notice([Fork(3, 8, 8, 7, 7), Comm(4, 8, 8, "child", exec=True)], 5)
    assert known.is_lively
    clock.now += 10
    assert not known.is_lively


@pytest.mark.usefixtures("clock")
def test_a_whole_machine_is_not() -> None:
    known = ProcessTracker(None, follow=False)
    known.notice([Comm(1, 8, 8, "other", exec=True)], 2)
    assert not known.is_lively


@pytest.mark.usefixtures("clock")
def test_ancestors_are_known_and_not_all_for_ever() -> None:
    known = ProcessTracker({7}, follow=True)
    known.notice([Fork(when, pid, pid, pid - 1, pid - 1) for when, pid in enumerate(range(8, 20))], 100)
    assert known._ancestors(19) == [18, 17, 16, 15]
    known.notice([Fork(when, pid, pid, 7, 7) for when, pid in enumerate(range(100, 10_000), 200)], 100_000)
    assert len(known._parents) == tracker._MOST_PARENTS

"""record/session/tracker.py: whose programs may be gone soon."""

from __future__ import annotations

import os

import pytest

from bpfrec.bpf.sideband import Comm, Fork
from bpfrec.formats.errors import BpfrecError
from bpfrec.record.processes import procfs
from bpfrec.record.session import tracker
from bpfrec.record.session.careful import Careful
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


def test_one_process_that_cannot_be_read_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real = procfs.thread_names

    def picky(pid: int) -> dict[int, str]:
        if pid == 1:
            raise ValueError("a name that nobody thought of")
        return real(pid)

    monkeypatch.setattr(procfs, "thread_names", picky)
    known = ProcessTracker({1, os.getpid()}, follow=False)
    known.snapshot()
    assert known.careful.failures == 1
    assert [life.pid for life in known.history([]).lives(os.getpid())] == [os.getpid()]


def test_one_event_that_cannot_be_followed_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_pid: int) -> str:
        raise TypeError("a perf map that is none")

    monkeypatch.setattr(procfs, "exe", broken)
    known = ProcessTracker({7}, follow=True)
    known.notice([Comm(1, 7, 7, "renamed", exec=True), Fork(2, 8, 8, 7, 7)], 5)
    assert known.careful.failures == 1
    assert known.wanted == {7, 8}


def test_messages_for_the_user_are_passed_on() -> None:
    careful = Careful()
    with pytest.raises(BpfrecError), careful.about("writing"):
        raise BpfrecError("the disk is gone")
    assert careful.failures == 0
    told: list[int] = []
    careful.wrapped("telling", told.append)(3)
    careful.wrapped("failing", told.remove)(9)
    assert (told, careful.failures) == ([3], 1)


def test_what_only_dropped_calls_need_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "exists", lambda pid: pid == 7)
    monkeypatch.setattr(procfs, "exe", lambda pid: f"/bin/{pid}")
    known = ProcessTracker({7}, follow=True, forgets=True)
    early = [Fork(10, 8, 8, 7, 7), Fork(11, 9, 9, 7, 7), Comm(12, 8, 8, "early", exec=True)]
    known.notice(early, 15)
    ended = known.ended()
    assert ended == {8, 9}
    # Another process gets the number 9.
    known.notice([Fork(30, 9, 9, 7, 7), Comm(31, 9, 9, "late", exec=True)], 40)
    known.forget(20, ended, 0)
    assert known.wanted == {7, 9}
    assert list(known._started) == [(9, 31)]

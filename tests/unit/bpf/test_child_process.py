"""bpf/child_process.py: children do their work, are waited for, and end with their parent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfrec.bpf import child_process


@pytest.fixture
def children_are_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


def fail() -> None:
    raise ValueError


def test_the_status_says_whether_the_work_was_done(tmp_path: Path) -> None:
    done = child_process.start((tmp_path / "made").touch, ())
    assert child_process.reap(done) == 0
    assert (tmp_path / "made").exists()
    assert os.waitstatus_to_exitcode(child_process.reap(child_process.start(fail, ())) or 0) == 1


@pytest.mark.usefixtures("children_are_ignored")
def test_no_status_is_kept_where_the_ends_of_children_are_ignored() -> None:
    assert child_process.reap(child_process.start(lambda: None, ())) is None
    child_process.kill(child_process.start(signal.pause, ()))


def test_a_child_that_still_runs_has_no_status() -> None:
    pid = child_process.start(signal.pause, (), "named-by-test")
    try:
        assert child_process.reap(pid, os.WNOHANG) is None
    finally:
        child_process.kill(pid)
    assert not Path(f"/proc/{pid}").exists()


def test_blocked_signals_do_not_kill_the_child() -> None:
    pid = child_process.start(signal.pause, (signal.SIGTERM,))
    try:
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.05)
        assert child_process.reap(pid, os.WNOHANG) is None
    finally:
        child_process.kill(pid)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_child_ends_with_its_parent() -> None:
    told, tell = os.pipe()

    def parent() -> None:
        os.write(tell, child_process.start(signal.pause, ()).to_bytes(4, "little"))

    child_process.reap(child_process.start(parent, ()))
    orphan = int.from_bytes(os.read(told, 4), "little")
    deadline = time.monotonic() + 10
    while _runs(orphan) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(orphan)
    os.close(told)
    os.close(tell)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

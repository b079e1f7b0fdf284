"""record/recover: what a killed recorder left becomes a trace; what is no such thing is left alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import ring_bytes
from support.forbidden import attempts

import bpfrec
from bpfrec.cli import root
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.manifest import Clock
from bpfrec.record.confinement.identity import PRIVATE_GROUPS, Identity, Unchanged
from bpfrec.record.finish import apart
from bpfrec.record.finish.finish import Finished, finish
from bpfrec.record.journal import Attached, Ended, Looked, Mark, read_journal
from bpfrec.record.processes.descriptors import DescriptorSnapshot
from bpfrec.record.processes.found_process import FoundProcess, StartedProgram
from bpfrec.record.processes.procfs import MapsLine, ProcessStatus
from bpfrec.record.request import Request
from bpfrec.record.session import unprivileged
from bpfrec.record.session.output import Output, prepare
from bpfrec.record.session.segments import Segments
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind, spool_in

PID = 100
GETPID = syscalls()["getpid"].numbers["x86_64"]


class Killed:
    """A recorder that is killed: its folder stays, and its lock is free when :meth:`die` returns."""

    def __init__(self, target: Path) -> None:
        self._output: Output = prepare(target, force=True)
        self._output.reserve_room()
        self.spools = Spools(self._output)
        self.segments = Segments(Request(pids=(PID,), stacks="off"), self._output, self.spools)
        self.folder = self._output.folder.readlink()

    def attach(self) -> None:
        self.segments.journal.write(
            FoundProcess(
                ProcessStatus(PID, 1, 0, PID),
                {PID: "worker"},
                set(),
                [MapsLine(4096, 8192, 0, (8, 1), 5, "/bin/worker")],
                "/bin/worker",
                "worker -x",
                None,
            )
        )
        self.segments.journal.write(StartedProgram(PID, 500, "/bin/next", "next"))
        self.segments.attached(Attached(Clock(0, 0, 0), 900, {PID}, False, None, 1 << 18, frozenset({0})), [], 950)

    def call(self, number: int) -> None:
        self.spools.write(SpoolKind.CALLS, 0, [memoryview(ring_bytes.sample(self.record(number)))])

    @staticmethod
    def record(number: int) -> bytes:
        return ring_bytes.call(GETPID, ts=1000 + number, pid=PID, tid=PID)

    def mark(self, sent: int, unsent: tuple[tuple[int, bytes, int], ...] = ()) -> None:
        self.segments.close(Mark(2000, {}, {"sent_syscalls": sent, "lost_syscalls": 2}, [2]), unsent)

    def end(self) -> None:
        entry = Ended(3000, "the time was up", "", None, None)
        self.segments.ended(Mark(2500, {}, {"sent_syscalls": 3}, [0]), entry)

    def die(self) -> None:
        self.spools.close()
        os.close(self._output._folder)
        os.close(self._output._parent)


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Killed]:
    made = Killed(tmp_path / "t.bpfrec")
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(root, ["recover", *map(str, arguments)])


def rows(trace: Path, query: str) -> list[tuple[Any, ...]]:
    with bpfrec.open(trace) as opened:
        return opened.sql(query).fetchall()


def test_all_spooled_calls_are_recovered(killed: Killed, tmp_path: Path) -> None:
    killed.attach()
    for number in range(5):
        killed.call(number)
    killed.mark(sent=4)
    killed.call(5)
    killed.die()
    trace = tmp_path / "t.bpfrec"
    done = run(trace)
    assert done.exit_code == 0, done.output
    assert rows(trace, "SELECT ts_ns, comm FROM syscalls ORDER BY 1") == [(1000 + n, "worker") for n in range(6)]
    assert rows(trace, "SELECT cmdline FROM processes") == [("worker -x",)]
    assert rows(trace, "SELECT finished, stopped LIKE '%killed%' FROM recording") == [(False, True)]
    assert sorted(rows(trace, "SELECT kind, count FROM losses")) == [("recorder-killed", 1), ("ring-full", 2)]
    assert not killed.folder.exists()


@pytest.mark.parametrize(
    "can_change", [False, pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can"))]
)
def test_the_trace_is_made_by_a_process_without_rights(
    killed: Killed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_change: bool
) -> None:
    # Elsewhere, somebody else may not be able to read this Python. What is needed later is imported by now.
    identity = Identity(PRIVATE_GROUPS[77], PRIVATE_GROUPS[77], ()) if can_change else Unchanged("a test")
    monkeypatch.setattr(unprivileged, "identity_for", lambda _user: identity)
    killed.attach()
    killed.call(1)
    killed.die()
    reading, writing = os.pipe()
    with attempts(tmp_path) as forbidden:

        def work(*arguments: Any) -> Finished:
            os.write(writing, f"{os.getuid()} {forbidden()}".encode())
            return finish(*arguments)

        monkeypatch.setattr(apart, "finish", work)
        done = run(tmp_path / "t.bpfrec")
    assert done.exit_code == 0, done.output
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() == f"{identity.uid if isinstance(identity, Identity) else os.getuid()} {{}}"
    found = (tmp_path / "t.bpfrec").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (os.geteuid(), 0o600)
    assert rows(tmp_path / "t.bpfrec", "SELECT ts_ns FROM syscalls") == [(1001,)]
    assert not killed.folder.exists()


def test_batches_that_were_not_sent_are_recovered_once(killed: Killed, tmp_path: Path) -> None:
    killed.attach()
    first, second = (ring_bytes.sample(killed.record(number)) for number in (1, 2))
    killed.mark(0, ((0, first, 1), (1, second, 1)))
    # The first is sent later; of CPU 1, what was not sent at an earlier mark only is in the spool already.
    killed.mark(0, ((0, first, 1),))
    killed.call(1)
    killed.call(2)
    killed.die()
    assert run(tmp_path / "t.bpfrec").exit_code == 0
    assert rows(tmp_path / "t.bpfrec", "SELECT ts_ns FROM syscalls ORDER BY 1") == [(1001,), (1002,)]


def begin_leg(killed: Killed, number: int, start: int, *, is_ready: bool = True) -> None:
    """Begins a leg at ``start`` in which the process has another name."""
    killed.spools.begin_leg(number)
    killed.segments.begin_leg()
    status, maps = ProcessStatus(PID, 1, 0, PID), [MapsLine(4096, 8192, 0, (8, 1), 5, "/bin/worker")]
    killed.segments.journal.write(FoundProcess(status, {PID: f"leg-{number}"}, set(), maps, "/bin/w", "w", None))
    entry = Attached(
        *(Clock(0, 0, 0), start, {PID}, False, None, 1 << 18, frozenset({0})),
        recording_start_ns=900,
        counters_before={"sent_syscalls": 1000, "lost_syscalls": 1},
        lost_before=[1],
    )
    killed.segments.attached(entry, [], 950)
    if is_ready:
        killed.segments.note_descriptors(DescriptorSnapshot())


@pytest.mark.parametrize("is_ready", [True, False])
def test_the_legs_of_a_flight_recorder_are_recovered_from_the_first_that_is_ready(
    killed: Killed, tmp_path: Path, is_ready: bool
) -> None:
    killed.attach()
    killed.call(0)
    begin_leg(killed, 1, 1002)
    # The BPF program had it when the leg began.
    killed.call(1 - 20)
    killed.call(2)
    unsent = [ring_bytes.sample(killed.record(number)) for number in (3, 4)]
    killed.mark(sent=1004, unsent=((0, unsent[0], 1), (1, unsent[1], 1)))
    begin_leg(killed, 2, 1003, is_ready=is_ready)
    # One is sent before the next mark, and in another leg than the last mark.
    killed.call(3)
    killed.die()
    for kind in SpoolKind:
        # It was dropped.
        spool_in(killed.folder, kind).unlink()
    assert json.loads(run(tmp_path, "--list", "--format", "json").output)[0]["state"] == "not finished"
    assert run(tmp_path / "t.bpfrec").exit_code == 0
    trace = tmp_path / "t.bpfrec"
    assert rows(trace, "SELECT ts_ns, comm FROM syscalls ORDER BY 1") == [(1000 + n, "leg-1") for n in (2, 3, 4)]
    assert sorted(rows(trace, "SELECT kind, count FROM losses")) == [("recorder-killed", 1), ("ring-full", 1)]
    assert rows(trace, "SELECT epoch_ns(start), epoch_ns(recorder_start) FROM recording") == [(1002, 900)]
    assert not killed.folder.exists()


def test_a_batch_that_was_never_sent_is_recovered(killed: Killed, tmp_path: Path) -> None:
    killed.attach()
    killed.call(1)
    killed.mark(1, ((1, ring_bytes.sample(killed.record(2)), 1),))
    killed.die()
    assert run(tmp_path / "t.bpfrec").exit_code == 0
    assert rows(tmp_path / "t.bpfrec", "SELECT ts_ns, cpu FROM syscalls ORDER BY 1") == [(1001, 0), (1002, 1)]


def test_a_recording_that_had_stopped_is_whole(killed: Killed, tmp_path: Path) -> None:
    killed.attach()
    for number in range(3):
        killed.call(number)
    killed.end()
    killed.die()
    assert run(killed.folder).exit_code == 0
    trace = tmp_path / "t.bpfrec"
    assert rows(trace, "SELECT finished, stopped FROM recording") == [(True, "the time was up")]
    assert rows(trace, "SELECT * FROM losses") == []


@pytest.mark.parametrize("cut", [2, 7, 40])
def test_a_journal_that_is_cut_off_gives_what_is_whole(killed: Killed, cut: int) -> None:
    killed.attach()
    killed.mark(0)
    killed.mark(1)
    killed.die()
    journal = spool_in(killed.folder, SpoolKind.JOURNAL)
    whole = read_journal(journal)
    assert whole.mark is not None
    assert whole.mark.counters["sent_syscalls"] == 1
    journal.write_bytes(journal.read_bytes()[:-cut])
    kept = read_journal(journal)
    assert kept.looked == Looked([], 950)
    assert kept.mark is not None
    assert kept.mark.counters["sent_syscalls"] == 0


def test_what_is_there_is_listed_and_removed(killed: Killed, tmp_path: Path) -> None:
    listed = json.loads(run(tmp_path, "--list", "--format", "json").output)
    assert [(row["folder"], row["state"]) for row in listed if "t.bpfrec" in row["folder"]] == [
        (str(killed.folder), "recording")
    ]
    assert run(tmp_path, "--clean").exit_code == 0
    assert killed.folder.exists(), "a recording that goes on was removed"
    assert "still at work" in str(run(tmp_path).exception)
    killed.die()
    listed = json.loads(run(tmp_path, "--list", "--format", "json").output)
    assert [row["state"] for row in listed if "t.bpfrec" in row["folder"]] == ["nothing recorded"]
    assert killed.folder.name in run(tmp_path, "--list").output
    assert run(tmp_path, "--clean").exit_code == 0
    assert not killed.folder.exists()


def test_a_folder_of_a_recorder_that_was_killed_early_is_removed(tmp_path: Path) -> None:
    early = prepare(tmp_path / "t.bpfrec", force=True)
    early.reserve_room()
    folder = early.folder.readlink()
    os.close(early._folder)
    (tmp_path / ".mine.0123abcd").mkdir(0o700)
    (tmp_path / ".mine.0123abcd" / "file").touch()
    unnamed = tmp_path / f"{folder.name}.89abcdef"
    unnamed.touch()
    assert run(tmp_path, "--clean").exit_code == 0
    assert not folder.exists()
    assert not unnamed.exists()
    assert (tmp_path / ".mine.0123abcd" / "file").exists()


def test_a_trace_that_has_the_name_stays(killed: Killed, tmp_path: Path) -> None:
    killed.attach()
    killed.call(1)
    killed.die()
    (tmp_path / "t.bpfrec").write_text("mine")
    assert "exists" in str(run(tmp_path / "t.bpfrec").exception)
    assert (tmp_path / "t.bpfrec").read_text() == "mine"
    assert run(tmp_path / "t.bpfrec", "-o", tmp_path / "other.bpfrec").exit_code == 0
    assert rows(tmp_path / "other.bpfrec", "SELECT count(*) FROM syscalls") == [(1,)]


def test_a_folder_of_others_is_not_opened(killed: Killed, tmp_path: Path) -> None:
    killed.attach()
    killed.call(1)
    killed.die()
    killed.folder.chmod(0o777)
    assert "others may write" in str(run(tmp_path / "t.bpfrec").exception)


def test_nothing_to_recover_says_so(tmp_path: Path) -> None:
    assert "no killed recorder" in str(run(tmp_path).exception)

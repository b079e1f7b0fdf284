"""record/windows.py: a window has each call once, whatever the recorder does meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ring_bytes
from support.forbidden import attempts
from support.recorded_calls import PID, recorded

from bpfrec.bpf import child_process, wire
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record import windows
from bpfrec.record.confinement.identity import PRIVATE_GROUPS, Identity, Unchanged
from bpfrec.record.finish import apart
from bpfrec.record.finish.finish import Finished, finish
from bpfrec.record.finish.gathering import copy_start, gather_legs
from bpfrec.record.request import Request
from bpfrec.record.session.output import prepare
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.triggers import Triggers
from bpfrec.record.session.unprivileged import opened
from bpfrec.record.session.working_folder import SpoolKind, legs_in, spool_in
from bpfrec.record.spool import SpoolWriter, read_chunks
from bpfrec.record.windows import WindowWriter, _let_go, _prepared, _separate, _still_in_progress, _write_unsent

GETPID = syscalls()["getpid"].numbers["x86_64"]


def spool(path: Path, *samples: bytes) -> Path:
    writer = SpoolWriter(path)
    for sample in samples:
        writer.write(0, 1, [memoryview(sample)])
    writer.close()
    return path


def times_in(data: bytes) -> list[int]:
    found: list[int] = wire.decode(np.frombuffer(data, np.uint8)).calls.ts.tolist()
    return found


def call(ts: int, tid: int = 101, flags: int = 0) -> bytes:
    return ring_bytes.sample(ring_bytes.call(0, ts=ts, tid=tid, flags=flags))


def test_a_batch_that_was_sent_meanwhile_is_there_once(tmp_path: Path) -> None:
    grown = ring_bytes.sample(ring_bytes.call(0, ts=1), ring_bytes.call(0, ts=2))
    with prepare(tmp_path / "t.bpfrec", force=True) as window:
        spool(spool_in(window.folder, SpoolKind.CALLS, 3), grown)
        path = _write_unsent([(0, call(1), 1), (1, call(5), 1)], window, 3, 9)
        [chunk] = list(read_chunks(path, 1 << 20))
    assert (chunk.cpu, times_in(chunk.data.tobytes())) == (1, [5])


def test_a_call_that_ended_meanwhile_is_not_in_progress(tmp_path: Path) -> None:
    samples = b"".join(call(ts, tid, wire.NO_RETURN) for ts, tid in ((1, 101), (1, 102), (3, 101)))
    later = [spool(tmp_path / "one", call(1, 102)), spool(tmp_path / "two", call(2, 101))]
    assert times_in(_still_in_progress(samples, later)) == [1, 3]
    assert _still_in_progress(b"", later) == b""


def test_the_spools_of_legs_are_read_one_after_the_other(tmp_path: Path) -> None:
    with prepare(tmp_path / "t.bpfrec", force=True) as output:
        for leg in (2, 3, 4):
            for kind in SpoolKind:
                spool_in(output.folder, kind, leg).write_bytes(f"{kind}{leg} ".encode())
        assert legs_in(output.folder) == [2, 3, 4]
        more = gather_legs(output, output.folder, [3, 4], consume=False)
        assert [path.read_text() for path in (output.spool(SpoolKind.CALLS), *more)] == ["calls3 ", "calls4 "]
        assert output.spool(SpoolKind.SNAPSHOTS).read_text() == "snapshots3 snapshots4 "
        assert spool_in(output.folder, SpoolKind.SNAPSHOTS, 3).read_text() == "snapshots3 "
        gather_legs(output, output.folder, [4], consume=False)
        assert output.spool(SpoolKind.SIDE_BAND) == spool_in(output.folder, SpoolKind.SIDE_BAND, 4)


def test_what_comes_later_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "from").write_bytes(b"first and more")
    copy_start(tmp_path / "from", tmp_path / "to", 5)
    assert (tmp_path / "to").read_bytes() == b"first"


def test_two_windows_of_one_second_have_two_names(tmp_path: Path) -> None:
    with _prepared(tmp_path / "my.trace.bpfrec", None) as one:
        one.target.touch()
        with _prepared(tmp_path / "my.trace.bpfrec", None) as other:
            assert one.target != other.target
            assert {path.suffix for path in (one.target, other.target)} == {".bpfrec"}
            assert one.target.name.startswith("my.trace-")


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_no_signal_is_lost_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BpfrecError("the folder is read-only")

    monkeypatch.setattr(windows, "_prepared", refuse)
    recorded: Any = None
    said = Said()
    with (
        prepare(tmp_path / "t.bpfrec", force=True) as output,
        Triggers() as triggers,
        WindowWriter(Request(), output, None, triggers, Unchanged("a test")) as writer,
    ):
        triggers.pending += [1, 2]
        assert writer.asked() == [1, 2]
        writer.begin(recorded, [])
        assert writer.asked() == []
        writer.step(said)
        refused, all_of_them = said.lines
        assert refused == "SIGUSR1: nothing is written, for the folder is read-only"
        assert "came 2 times" in all_of_them
        assert not writer.is_busy
        writer.step(said)
        assert len(said.lines) == 2
        triggers.pending.append(3)
        writer.finish(said)
        assert "the trace of the end has what led up to it" in said.lines[2]


@pytest.mark.parametrize(
    "can_change", [False, pytest.param(True, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can"))]
)
def test_a_window_is_made_by_a_process_without_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_change: bool
) -> None:
    identity = Identity(PRIVATE_GROUPS[77], PRIVATE_GROUPS[77], ()) if can_change else Unchanged("a test")
    reading, writing = os.pipe()
    said = Said()
    with (
        attempts(tmp_path) as forbidden,
        prepare(tmp_path / "t.bpfrec", force=True) as output,
        Triggers() as triggers,
        WindowWriter(Request(), output, None, triggers, identity) as writer,
    ):
        # The process gives up all that it was not told to keep.
        stdin = os.dup(0)
        os.dup2(writing, 0)

        def work(*arguments: Any) -> Finished:
            os.write(0, f"{os.getuid()} {forbidden()}".encode())
            return finish(*arguments)

        monkeypatch.setattr(apart, "finish", work)
        opened(identity, output)
        spools = Spools(output)
        spools.begin_leg(1)
        recording = recorded(spools, [ring_bytes.call(GETPID, ts=1000 + n, pid=PID, tid=PID) for n in range(3)])
        recording.legs = [1]
        triggers.pending.append(1)
        writer.begin(recording, [(0, call(2000), 1)])
        writer.finish(said)
        spools.close()
    os.close(writing)
    os.dup2(stdin, 0)
    os.close(stdin)
    with os.fdopen(reading) as told:
        assert told.read() == f"{identity.uid if isinstance(identity, Identity) else os.getuid()} {{}}"
    assert "4 calls" in said.lines[0]
    [trace] = tmp_path.glob("t-*.bpfrec")
    assert (trace.stat().st_uid, trace.stat().st_mode & 0o777) == (os.geteuid(), 0o600)


def test_signals_are_counted() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with Triggers() as triggers:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert len(triggers.pending) == 2
        assert triggers.take() == 2
        assert triggers.pending == []
    assert signal.getsignal(signal.SIGUSR1) == before


def test_the_process_that_writes_holds_nothing_of_the_recorder() -> None:
    (reader, writer), (done, tell), (hold, let) = os.pipe(), os.pipe(), os.pipe()

    def work() -> None:
        _let_go({tell, hold})
        os.write(tell, b"d")
        os.read(hold, 1)

    pid = child_process.start(work, ())
    os.close(writer)
    assert os.read(done, 1) == b"d"
    # The child lives, and nobody has the other end.
    assert child_process.reap(pid, os.WNOHANG) is None
    assert os.read(reader, 1) == b""
    os.write(let, b"x")
    assert child_process.reap(pid) == 0
    for descriptor in (reader, done, tell, hold, let):
        os.close(descriptor)


def test_a_child_reads_files_without_moving_its_parents_place_in_them(tmp_path: Path) -> None:
    class Tracker:
        class modules:  # noqa: N801
            helpers = None

        class perf_maps:  # noqa: N801
            @staticmethod
            def use(_helpers: object) -> None:
                pass

    (tmp_path / "file").write_bytes(bytes(range(200)) * 100)
    with (tmp_path / "file").open("rb") as file:
        file.read(10)
        position = os.lseek(file.fileno(), 0, os.SEEK_CUR)
        shared = os.dup(file.fileno())
        _separate(Tracker, {file.fileno(): position})  # type: ignore[arg-type]
        file.seek(15_000)
        assert file.read(3) == bytes([0, 1, 2])
        assert os.lseek(shared, 0, os.SEEK_CUR) == position
        os.close(shared)

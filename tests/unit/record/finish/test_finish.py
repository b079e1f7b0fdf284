"""record/finish/finish.py: no single value, process or file costs a recording its calls; what is missing is counted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ring_bytes
from support.recorded_calls import OTHER, PID, recorded

import bpfrec
from bpfrec.bpf import wire
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.finish import call_parts, call_writer, finish
from bpfrec.record.request import Request
from bpfrec.record.session.output import prepare
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind
from bpfrec.record.stacks import stack_table

GETPID = syscalls()["getpid"].numbers["x86_64"]
CALLS = 5
Rows = Callable[[str], list[tuple[Any, ...]]]


def two_processes() -> list[bytes]:
    return [
        ring_bytes.call(GETPID, ts=1000 + number, pid=pid, tid=pid) for pid in (PID, OTHER) for number in range(CALLS)
    ]


def finished(folder: Path, calls: list[bytes] | None = None, converted: Any = None, **options: Any) -> Rows:
    """Records and finishes a trace; what an SQL query on it gives."""
    with prepare(folder / "t.bpfrec", force=True) as output:
        spools = Spools(output)
        recording = recorded(spools, two_processes() if calls is None else calls)
        spools.close()
        request = Request(pids=(PID, OTHER), **options)
        done = finish.finish(request, recording, output, None, lambda _share: None, converted)
        output.publish(done.file)

    def rows(query: str) -> list[tuple[Any, ...]]:
        with bpfrec.open(folder / "t.bpfrec") as trace:
            return trace.sql(query).fetchall()

    return rows


def fail(*_: object, **__: object) -> Any:
    raise ValueError("a socket with a newline in its name")


LOSSES = "SELECT kind, severity, count FROM losses"


@pytest.mark.parametrize("stacks", ["full", "fp", "off"])
def test_all_calls_are_there(tmp_path: Path, stacks: str) -> None:
    rows = finished(tmp_path, stacks=stacks)
    assert rows("SELECT pid, count(*) FROM syscalls GROUP BY 1 ORDER BY 1") == [(PID, CALLS), (OTHER, CALLS)]
    assert rows(LOSSES) == []


def test_what_ended_before_the_first_leg_is_left_out(tmp_path: Path) -> None:
    exits, read = (syscalls()[name].numbers["x86_64"] for name in ("exit_group", "read"))
    calls = [
        *(ring_bytes.call(GETPID, ts=ts, pid=PID, tid=PID) for ts in (1000, 1389, 1390, 1500)),
        ring_bytes.call(GETPID, ts=100, duration=2000, pid=PID, tid=PID),
        # When they ended is not known; but a process that exits is gone at once.
        ring_bytes.call(exits, ts=1000, duration=0, flags=wire.NO_RETURN, pid=OTHER, tid=OTHER),
        ring_bytes.call(read, ts=1000, duration=0, flags=wire.NO_RETURN, pid=OTHER, tid=OTHER),
    ]
    with prepare(tmp_path / "t.bpfrec", force=True) as output:
        spools = Spools(output)
        recording = recorded(spools, calls)
        spools.close()
        recording.start_ns, recording.recording_start_ns, recording.legs = 1400, 900, [0]
        # The counter began with the leg, whose first batch was sent before.
        recording.counters["sent_syscalls"] = 5
        done = finish.finish(Request(pids=(PID, OTHER)), recording, output, None, lambda _share: None)
        output.publish(done.file)
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        found = trace.sql("SELECT syscall, ts_ns FROM syscalls ORDER BY 1, 2").fetchall()
        assert found == [("getpid", 100), ("getpid", 1390), ("getpid", 1500), ("read", 1000)]
        assert trace.sql(LOSSES).fetchall() == []


@pytest.mark.parametrize("failed_only", [False, True])
def test_an_interrupted_call_has_the_result_that_the_program_saw(tmp_path: Path, failed_only: bool) -> None:
    nanosleep, sigreturn = (syscalls()[name].numbers["x86_64"] for name in ("nanosleep", "rt_sigreturn"))
    calls = [
        ring_bytes.call(sigreturn, ts=2000, ret=-4, pid=PID, tid=PID),
        ring_bytes.call(nanosleep, ts=1000, ret=-516, pid=PID, tid=PID),
    ]
    rows = finished(tmp_path, calls, failed_only=failed_only)
    found = rows("SELECT syscall, ret, errno FROM syscalls ORDER BY ts_ns")
    assert found == [("nanosleep", -4, "EINTR"), ("rt_sigreturn", -4, None)][: 1 if failed_only else 2]
    assert rows(LOSSES) == []


@pytest.mark.grid
@pytest.mark.parametrize("stacks", ["full", "off"])
@pytest.mark.parametrize(
    "part", ["parse_events", "read_stack_table", "sample_stream", "_write_stacks", "process_rows", "mapping_rows"]
)
def test_a_part_that_fails_costs_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, stacks: str
) -> None:
    if part == "parse_events":
        monkeypatch.setattr(finish, "_side_band_events", fail)
    elif part == "sample_stream":
        monkeypatch.setattr(finish.SampleTable, "read", fail)
    else:
        monkeypatch.setattr(finish, part, fail)
    rows = finished(tmp_path, stacks=stacks)
    assert rows("SELECT count(*) FROM syscalls") == [(2 * CALLS,)]
    assert rows(LOSSES) == [("part-missing", "notice", 1)]


def test_a_file_that_cannot_be_read_is_a_part_and_a_full_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int) -> Callable[..., Any]:
        def raising(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        return raising

    monkeypatch.setattr(finish, "_write_stacks", refuse(errno.EIO))
    assert finished(tmp_path)(LOSSES) == [("part-missing", "notice", 1)], "one bad sector under one library"
    monkeypatch.setattr(finish, "_write_stacks", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        finished(tmp_path)


def test_symbols_that_are_looked_up_early_and_fail_are_one_missing_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Failing(stack_table.NoStacks):
        def look_up(self) -> None:
            asked.append("early")
            fail()

        def resolve(self) -> Any:
            asked.append("late")
            fail()

    monkeypatch.setattr(finish, "read_stack_table", lambda *_: Failing())
    rows = finished(tmp_path, converted=lambda: None)
    assert asked == ["early", "late"]
    assert rows("SELECT count(*) FROM syscalls") == [(2 * CALLS,)]
    assert rows(LOSSES) == [("part-missing", "notice", 1)]


def test_a_call_that_cannot_be_decoded_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = call_parts.call_rows

    def picky(records: Any, *arguments: Any) -> Any:
        return fail() if OTHER in records.calls.pid else real(records, *arguments)

    monkeypatch.setattr(call_parts, "call_rows", picky)
    rows = finished(tmp_path)
    assert rows("SELECT pid, count(*) FROM syscalls GROUP BY 1") == [(PID, CALLS)]
    assert rows(LOSSES) == [("calls-undecoded", "data_loss", CALLS)], "recorded and lost must add up"


@pytest.mark.parametrize(("bad", "lost"), [(2, 3), (4, 1)])
def test_rows_that_cannot_be_written_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int, lost: int
) -> None:
    monkeypatch.setattr(call_parts, "_ROW_GROUP", 3)
    monkeypatch.setattr(call_writer, "_BATCH_BYTES", len(ring_bytes.sample(ring_bytes.call())))
    real = call_parts.CallParts._in_order_of_end
    times = []

    def picky(self: Any, table: Any) -> Any:
        times.append(len(table))
        return fail() if len(times) == bad else real(self, table)

    monkeypatch.setattr(call_parts.CallParts, "_in_order_of_end", picky)
    rows = finished(tmp_path)
    assert rows("SELECT count(*), count(DISTINCT event_id) FROM syscalls") == [(2 * CALLS - lost, 2 * CALLS - lost)]
    assert rows(LOSSES) == [("calls-undecoded", "data_loss", lost)]


@pytest.mark.parametrize("is_short", [True, False])
def test_where_room_is_short_spools_make_room_for_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_short: bool
) -> None:
    monkeypatch.setattr(finish.Output, "is_short_of_room", lambda _: is_short)
    freed: list[SpoolKind] = []
    monkeypatch.setattr(finish.Output, "free_spool", lambda _, kind: freed.append(kind))
    rows = finished(tmp_path)
    assert rows("SELECT count(*) FROM syscalls") == [(2 * CALLS,)]
    assert freed == ([SpoolKind.SIDE_BAND, SpoolKind.SNAPSHOTS] if is_short else [])

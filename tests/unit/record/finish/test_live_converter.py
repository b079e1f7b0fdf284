"""record/finish/live_converter.py: what is converted while recording goes on is what would be made at the end."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ring_bytes
from support.recorded_calls import OTHER, PID, recorded

import bpfrec
from bpfrec.bpf import wire
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.confinement.identity import Unchanged
from bpfrec.record.finish import live_converter
from bpfrec.record.finish.call_parts import CallParts
from bpfrec.record.finish.call_writer import decoded
from bpfrec.record.finish.finish import finish
from bpfrec.record.finish.live_converter import LiveConverter
from bpfrec.record.finish.saved_parts import saved_parts
from bpfrec.record.journal import Mark
from bpfrec.record.request import Request
from bpfrec.record.session.output import prepare
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind
from bpfrec.record.spool import read_decoded

NUMBERS = {name: syscalls()[name].numbers["x86_64"] for name in ("getpid", "openat", "nanosleep", "rt_sigreturn")}


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets converters begin with the first call, few as there are here."""
    monkeypatch.setattr(live_converter, "_FIRST_BYTES", 0)


def calls() -> list[bytes]:
    """Calls of two threads in no order of time, some of them interrupted, some whose entry was not seen."""
    made = []
    for number in range(300):
        pid = (PID, OTHER)[number % 2]
        made.append(ring_bytes.call(NUMBERS["getpid"], ts=1000 + number * 7 % 300, pid=pid, tid=pid, duration=3))
        if number % 50 == 0:
            made.append(ring_bytes.call(NUMBERS["nanosleep"], ts=5000 + number, ret=-516, pid=pid, tid=pid))
            made.append(ring_bytes.call(NUMBERS["rt_sigreturn"], ts=5010 + number, ret=-4, pid=pid, tid=pid))
        if number % 70 == 0:
            flags = wire.NO_ENTRY | wire.EARLIER
            made.append(ring_bytes.call(NUMBERS["openat"], ts=920, ret=-2, pid=pid, tid=pid, flags=flags))
    return made


def trace_of(folder: Path, *, live: bool, kill_after: int | None = None, failed_only: bool = False) -> list[Any]:
    """All rows of ``syscalls`` of a recording of :func:`calls`, but for their numbers."""
    target = folder / f"{live}-{kill_after}.bpfrec"
    with (
        prepare(target, force=True) as output,
        closing(LiveConverter(output, Unchanged("a test"), failed_only=failed_only)) as converter,
    ):
        spools = Spools(output)
        for number, call in enumerate(calls()):
            spools.write(SpoolKind.CALLS, number % 3, [memoryview(ring_bytes.sample(call))])
            if live and number % 40 == 0:
                converter.segment_closed(Mark(number, spools.sizes, {}, []))
            if number == kill_after:
                os.kill(converter.pid, signal.SIGKILL)
        recording = recorded(spools, [])
        recording.counters["sent_syscalls"] = len(calls())
        spools.close()
        if live:
            converter.end(recording.spooled_bytes)
        request = Request(pids=(PID, OTHER), stacks="off", failed_only=failed_only)
        done = finish(request, recording, output, None, lambda _: None, converter.result if live else None)
        output.publish(done.file)
    with bpfrec.open(target) as trace:
        numbers = "SELECT count(DISTINCT event_id) = count(*), max(event_id) = count(*) - 1 FROM syscalls"
        assert trace.sql(numbers).fetchall() == [(True, True)]
        assert trace.sql("SELECT * FROM losses").fetchall() == []
        return trace.sql("SELECT * EXCLUDE (event_id) FROM syscalls ORDER BY ALL").fetchall()


@pytest.mark.parametrize("failed_only", [False, True])
def test_what_is_converted_live_is_what_is_converted_at_the_end(tmp_path: Path, failed_only: bool) -> None:
    at_the_end = trace_of(tmp_path, live=False, failed_only=failed_only)
    assert len(at_the_end) > 5
    assert trace_of(tmp_path, live=True, failed_only=failed_only) == at_the_end


@pytest.mark.parametrize("kill_after", [0, 150])
def test_a_converter_that_is_killed_costs_nothing(tmp_path: Path, kill_after: int) -> None:
    assert trace_of(tmp_path, live=True, kill_after=kill_after) == trace_of(tmp_path, live=False)


def test_it_may_be_started_where_the_ends_of_children_are_ignored(tmp_path: Path) -> None:
    at_the_end = trace_of(tmp_path, live=False)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert trace_of(tmp_path, live=True) == at_the_end
        assert trace_of(tmp_path, live=True, kill_after=150) == at_the_end
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.slow
@pytest.mark.parametrize("part_bytes", [1, 10_000])
@pytest.mark.parametrize("kill_after", [None, 250])
def test_saved_parts_need_their_spool_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_bytes: int, kill_after: int | None
) -> None:
    at_the_end = trace_of(tmp_path, live=False)
    monkeypatch.setattr(live_converter, "_PART_BYTES", part_bytes)
    monkeypatch.setattr("bpfrec.record.spool.give_back", _overwrite)
    assert trace_of(tmp_path, live=True, kill_after=kill_after) == at_the_end


def _overwrite(path: Path, end: int) -> None:
    with path.open("r+b") as file:
        file.write(bytes(end))


def test_the_parts_of_a_finish_that_failed_make_the_trace_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_converter, "_PART_BYTES", 1)
    with (
        prepare(tmp_path / "t.bpfrec", force=True) as output,
        closing(LiveConverter(output, Unchanged("a test"), failed_only=False)) as one,
    ):
        spools = Spools(output)
        for number, call in enumerate(calls()):
            spools.write(SpoolKind.CALLS, 0, [memoryview(ring_bytes.sample(call))])
            if number % 100 == 0:
                one.segment_closed(Mark(number, spools.sizes, {}, []))
        _await_parts(output.folder)
        spools.close()
        saved = saved_parts(output.folder)
        kept = output.keep_spools()
    assert kept is not None
    assert [(part.rows, part.decoded) for part in saved_parts(kept).parts] == [
        (part.rows, part.decoded) for part in saved.parts
    ]
    damaged = next(kept.glob("converted.*.json"))
    damaged.write_text(damaged.read_text().replace('"held":"', '"held":"../'))
    assert saved_parts(kept).parts == []


def _await_parts(folder: Path) -> None:
    limit = time.monotonic() + 60
    while not saved_parts(folder).parts:
        assert time.monotonic() < limit, "no part was saved"
        time.sleep(0.05)


def test_a_converter_sleeps_until_there_is_enough_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_converter, "_FIRST_BYTES", 1 << 20)
    with (
        prepare(tmp_path / "t.bpfrec", force=True) as output,
        closing(LiveConverter(output, Unchanged("a test"), failed_only=False)) as one,
    ):
        one.segment_closed(Mark(1, {SpoolKind.CALLS: (1 << 20) - 1}, {}, []))
        one.end((1 << 20) - 1)
        assert one.result() is None


def test_many_calls_of_one_batch_can_be_held_back(tmp_path: Path) -> None:
    """A perf record has at most 64 KiB."""
    count = 3000
    parts = CallParts(tmp_path, "held")
    call = ring_bytes.call(NUMBERS["nanosleep"], args=(1, 2), ret=-516, pid=PID, tid=PID)
    data = b"".join(ring_bytes.sample(call) for _ in range(count))
    parts.take(1, wire.decode(np.frombuffer(data, np.uint8), [wire.Part(0, len(data))]))
    made = parts.close()
    assert (made.decoded, made.undecoded, made.rows) == (count, 0, 0)
    held = [records for _, records in read_decoded(made.held, decoded, 1 << 20, lambda _: None)]
    assert sum(len(records.calls) for records in held) == count


def test_a_converter_whose_recorder_gives_up_ends(tmp_path: Path) -> None:
    with prepare(tmp_path / "t.bpfrec", force=True) as output:
        converter = LiveConverter(output, Unchanged("a test"), failed_only=False)
        converter.close()
        with pytest.raises(ProcessLookupError):
            os.kill(converter.pid, 0)

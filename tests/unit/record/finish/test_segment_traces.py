"""record/finish/segment_traces.py: each call is in the trace of one segment, and all are there at the end."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from support import ring_bytes

import bpfrec
from bpfrec.bpf import wire
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.manifest import Clock
from bpfrec.record.finish.segment_traces import SegmentTraces
from bpfrec.record.journal import Attached, Ended, Journal, Mark, Unsent, begun_now
from bpfrec.record.request import Request
from bpfrec.record.session.output import prepare
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind

PID = 100
NUMBERS = {name: syscalls()[name].numbers["x86_64"] for name in ("getpid", "openat", "nanosleep", "rt_sigreturn")}


def call(ts: int, name: str = "getpid", **members: Any) -> bytes:
    return ring_bytes.call(NUMBERS[name], ts=ts, pid=PID, tid=PID, **members)


def entries(trace: Path) -> list[tuple[int, int | None]]:
    with bpfrec.open(trace) as opened:
        numbers = "SELECT count(DISTINCT event_id) = count(*) FROM syscalls"
        assert opened.sql(numbers).fetchall() == [(True,)]
        return opened.sql("SELECT ts_ns, ret FROM syscalls ORDER BY ts_ns").fetchall()


def test_every_call_is_in_one_segment(tmp_path: Path) -> None:
    places = []
    with prepare(tmp_path / "t.bpfrec", force=True) as output, closing(Spools(output)) as spools:
        journal = Journal(lambda line: spools.append(SpoolKind.JOURNAL, line))
        journal.write(begun_now(Request(pids=(PID,), stacks="off"), tmp_path / "t.bpfrec"))
        place = tmp_path / "segments"
        place.mkdir()
        made = SegmentTraces(output.folder, place, places.append)
        made.look()
        assert not made.is_attached
        journal.write(Attached(Clock(0, 0, 0), 900, {PID}, False, None, 1 << 18, frozenset({0, 1})))

        def drained(cpu: int, *records: bytes) -> None:
            spools.write(SpoolKind.CALLS, cpu, [memoryview(ring_bytes.sample(*records))])

        def segment(at: int) -> list[tuple[int, int | None]]:
            journal.write(Mark(at, spools.sizes, {}, []))
            made.look()
            assert made.is_attached
            return entries(made.next(is_last=False))

        assert segment(950) == []
        # A call that a signal interrupted, one that began after the mark, and a batch that is not sent yet.
        interrupted = call(1001, "nanosleep", ret=-516)
        drained(0, call(1000), interrupted, call(2001))
        batch = [call(1500), call(1501)]
        journal.write(Unsent(1, ring_bytes.sample(*batch).hex()))
        assert segment(2000) == [(1000, 0), (1500, 0), (1501, 0)]
        # The batch has grown.
        batch.append(call(2500))
        journal.write(Unsent(1, ring_bytes.sample(*batch).hex()))
        assert segment(3000) == [(2001, 0), (2500, 0)]
        # It is sent, and another begins.
        batch.append(call(3500))
        drained(1, *batch)
        journal.write(Unsent(1, ring_bytes.sample(call(3600), call(4500)).hex()))
        assert segment(4000) == [(3500, 0), (3600, 0)]
        drained(0, call(4100, "rt_sigreturn", ret=-4))
        drained(1, call(3600), call(4500))
        running = call(4600, flags=wire.NO_RETURN)
        journal.write(Mark(5000, spools.sizes, {}, []))
        journal.write(Ended(5000, "the time was up", ring_bytes.sample(running).hex(), None, None))
        made.look()
        assert entries(made.next(is_last=True)) == [(1001, -4), (4100, -4), (4500, 0), (4600, None)]
        assert places == sorted(places)
        assert places[-1] == spools.sizes[SpoolKind.CALLS]

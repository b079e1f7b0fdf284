"""A small trace of each segment while recording goes on: the calls that ended in it, for who wants to see them now.

It follows the files of the working folder: the journal says how far the others can be read. A call is in the trace of
one segment, also if its batch was read before it was sent. Stacks and names of descriptors are not in these traces.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bpfrec.bpf import wire
from bpfrec.bpf.sideband import Event, Fork, Lost, Mapping, parse_events
from bpfrec.formats.schema import PROCESSES
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.finish.call_parts import CallParts, Converted
from bpfrec.record.finish.call_writer import CallWriter, decoded
from bpfrec.record.finish.manifest import manifest_of
from bpfrec.record.finish.rows import process_rows
from bpfrec.record.finish.unseen_entries import UnseenEntries
from bpfrec.record.journal import JournalReader, Kept, Mark
from bpfrec.record.processes.descriptors import DescriptorSnapshot
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.tracker import ProcessTracker, in_order
from bpfrec.record.session.working_folder import SpoolKind, spool_in
from bpfrec.record.spool import read_chunks, read_decoded
from bpfrec.record.stacks.stack_table import NoStacks

_BATCH_BYTES = 4 << 20
_LARGEST = 1 << 30


class SegmentTraces:
    """Makes traces of the recording in the working folder ``spools``, in the folder ``place``.

    ``read_to`` is called with the offset in the spool of calls up to which it is not needed any more.
    """

    def __init__(self, spools: Path, place: Path, read_to: Callable[[int], None]) -> None:
        self._spools, self._place, self._read_to = spools, place, read_to
        self._kept = Kept()
        self._journal = JournalReader(spool_in(spools, SpoolKind.JOURNAL))
        self._people: _People | None = None
        self._done = self._rows = self._number = 0
        self._shown: dict[int, set[tuple[int, int]]] = {}
        self._waiting: list[tuple[int, bytes]] = []
        self._held: list[Converted] = []
        self._counts: Counter[str] = Counter()

    @property
    def is_attached(self) -> bool:
        """Whether calls are recorded by now."""
        return self._kept.attached is not None

    def look(self) -> None:
        """Reads what the journal has got since."""
        self._journal.read_into(self._kept, whole_lines=True)

    def next(self, *, is_last: bool) -> Path:
        """The trace, a file, of what was recorded since the last time; ``is_last``: to the end of the recording.

        Disk errors come as OSError.
        """
        kept, mark = self._kept, self._kept.mark
        folder = self._place / str(self._number)
        folder.mkdir()
        self._number += 1
        people = self._people = self._people or _People(kept)
        until = mark.time_ns if mark is not None and not is_last else None
        if mark is not None:
            people.follow(spool_in(self._spools, SpoolKind.SIDE_BAND), mark, until)
        made = self._converted(folder, mark, until)
        trace = self._written(folder, people, made, is_last=is_last)
        target = self._place / f"{self._number}.bpfrec"
        trace.rename(target)
        shutil.rmtree(folder)
        return target

    def _converted(self, folder: Path, mark: Mark | None, until: int | None) -> Converted:
        assert self._kept.begun is not None  # noqa: S101 - the journal begins with it
        parts = CallParts(folder, "live", failed_only=self._kept.begun.request.failed_only)
        waiting, self._waiting = self._waiting, []
        for cpu, sample in waiting:
            self._take(parts, 0, _decoded(cpu, sample), until)
        end = mark.bytes.get(SpoolKind.CALLS, 0) if mark is not None else self._done
        spool = spool_in(self._spools, SpoolKind.CALLS)
        span = (self._done, end)
        for chunk, records in read_decoded(spool, decoded, _BATCH_BYTES, lambda _share: None, False, span):
            self._take(parts, chunk.time, self._unshown(chunk.cpu, records), until)
        self._done = end
        self._read_to(end)
        if self._kept.ended is None:
            for cpu, digits in self._kept.unsent.items():
                if digits:
                    # What began later is in the batch at the next mark, too.
                    records = _decoded(cpu, bytes.fromhex(digits))
                    new = self._unshown(cpu, records.where(records.calls.ts <= (until or 0)), is_sent=False)
                    self._shown.setdefault(cpu, set()).update(_keys(new.calls))
                    parts.take(0, new)
        return parts.close()

    def _take(self, parts: CallParts, when: int, records: wire.Records, until: int | None) -> None:
        """Gives ``parts`` the calls that began by ``until``; what processes were called by then is known."""
        if until is not None:
            later = records.calls.ts > until
            if later.any():
                self._waiting += [(cpu, b"".join(samples)) for cpu, samples in wire.samples_by_cpu(records, later)]
                records = records.where(~later)
        parts.take(when, records)

    def _unshown(self, cpu: int, records: wire.Records, *, is_sent: bool = True) -> wire.Records:
        """``records`` without those that were in a batch that had not been sent when it was read."""
        shown = self._shown.get(cpu)
        if not shown:
            return records
        calls = records.calls
        again = np.isin(calls.ts, [ts for ts, _tid in shown])
        for index in np.flatnonzero(again).tolist():
            key = (int(calls.ts[index]), int(calls.tid[index]))
            again[index] = key in shown
            if is_sent:
                shown.discard(key)
        return records.where(~again)

    def _written(self, folder: Path, people: _People, made: Converted, *, is_last: bool) -> Path:
        kept = self._kept
        begun, attached, looked = kept.begun, kept.attached, kept.looked
        assert begun is not None and attached is not None  # noqa: S101, PT018 - is_attached said so
        request = begun.request
        in_progress = looked.in_progress if looked is not None else []
        looked_ns = looked.looked_ns if looked is not None else attached.start_ns
        narrowed = not (request.comm is None and request.uid is None and request.cgroup is None)
        writer = TraceWriter(folder)
        calls = CallWriter(
            folder,
            writer,
            people.history,
            NoStacks(),
            UnseenEntries(in_progress, looked_ns, narrowed),
            [*self._held, made] if is_last else [made],
            failed_only=request.failed_only,
        )
        if is_last:
            calls.write_held()
            if not request.failed_only and kept.ended is not None:
                calls.write_in_progress_at_end(bytes.fromhex(kept.ended.in_progress))
                calls.write_in_progress_at_start(in_progress, attached.start_ns)
        calls.close()
        writer.write_rows(PROCESSES, process_rows(people.history, DescriptorSnapshot(), calls.pids))
        self._rows += calls.rows
        self._counts += calls.per_syscall
        self._held.append(self._saved(made))
        mark = kept.mark
        recorded = Recorded(
            clock=attached.clock,
            start_ns=attached.start_ns,
            stop_ns=max(attached.start_ns, mark.time_ns if mark is not None else 0),
            stopped="",
            is_cut=False,
            ended_early=[],
            counters={},
            lost_by_cpu=[],
            lost_bursts=[],
            in_progress_at_end=b"",
            in_progress_at_start=[],
            looked_ns=looked_ns,
            tracker=people.tracker,
            ring_cpus=attached.ring_cpus,
            ring_bytes=attached.ring_bytes,
            spooled_bytes=0,
            child=None,
            kernel_symbols=None,
            begun=begun,
            is_unfinished=True,
        )
        manifest = manifest_of(request, recorded, {"recorded": self._rows}, self._counts)
        return writer.make_file(manifest, None)[0]

    def _saved(self, made: Converted) -> Converted:
        """What the last trace needs of ``made``: the records that were held back, in a folder that stays."""
        held = self._place / f"{self._number}.held"
        made.held.rename(held)
        return Converted(references=held, held=held, tids=made.tids, told=made.told, noted=made.noted)


class _People:
    """What is known of processes and threads so far."""

    def __init__(self, kept: Kept) -> None:
        assert kept.begun is not None and kept.attached is not None  # noqa: S101, PT018 - is_attached said so
        attached, command = kept.attached, kept.begun.request.command
        self.tracker = ProcessTracker(attached.wanted, attached.follow, attached.command_pid, command)
        for found in kept.found:
            # What they execute matters to stacks alone.
            self.tracker.take(replace(found, maps=[]))
        self.history = self.tracker.history([])
        self._end = 0
        self._later: list[Event] = []

    def follow(self, spool: Path, mark: Mark, until: int | None) -> None:
        """Takes in the events in the spool up to ``mark`` that are no later than ``until``, if it is given."""
        span = (self._end, mark.bytes.get(SpoolKind.SIDE_BAND, 0))
        self._end = span[1]
        waiting, self._later = self._later, []
        now: list[Event] = []
        for chunk in read_chunks(spool, _LARGEST, span=span):
            waiting += (event for event in parse_events(chunk.data.data) if not isinstance(event, Mapping))
        for event in waiting:
            is_now = until is None or isinstance(event, Lost) or event.time <= until
            (now if is_now else self._later).append(event)
        self.tracker.learn_children(event for event in now if isinstance(event, Fork))
        for event in in_order(now):
            if isinstance(event, Lost) or self.tracker.matters(event.pid):
                self.history.apply(event)


def _decoded(cpu: int, sample: bytes) -> wire.Records:
    return wire.decode(np.frombuffer(sample, np.uint8), [wire.Part(cpu, len(sample))])


def _keys(calls: wire.Calls) -> list[tuple[int, int]]:
    """What no two calls have in common: a thread makes one at a time."""
    return list(zip(calls.ts.tolist(), calls.tid.tolist(), strict=True))

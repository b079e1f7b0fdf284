"""Makes the trace of a recording whose recorder was killed, from its journal and spools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bpfrec.bpf import wire
from bpfrec.bpf.program import COUNTERS
from bpfrec.bpf.sideband import parse_events, parse_forks
from bpfrec.formats.errors import BpfrecError
from bpfrec.record.confinement.identity import Identity, Unchanged
from bpfrec.record.finish.apart import finish_apart
from bpfrec.record.finish.finish import Finished
from bpfrec.record.finish.saved_parts import saved_parts
from bpfrec.record.journal import Attached, Begun, Kept, boot_id
from bpfrec.record.processes.found_process import FoundProcess, StartedProgram
from bpfrec.record.processes.procfs import reader
from bpfrec.record.recover.legs_left import Left, read_left
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.sudo_user import User
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.session.working_folder import SpoolKind, spool_in
from bpfrec.record.spool import SpoolWriter, last_drain, read_chunks
from bpfrec.record.stacks.kernel_symbols import read_kernel_symbols
from bpfrec.record.stacks.perf_map_files import PerfMaps

_OTHER_COUNTERS = ("missed_runs", "throttled_samples", "failed_reads")
# A mark follows the last one within a second or two; more than this is no such time.
_MOST_LATER = 1 << 30
_CPUS = 1 << 16
_SIDE_BAND_BATCH = 1 << 30
_KILLED = "the recorder was killed, and the recording is not finished"


@dataclass(frozen=True)
class _LostCommand:
    """The command of a recording whose end nobody saw; members as those of :class:`.CommandEnd`."""

    pid: int
    argv: tuple[str, ...]
    exit_code: int
    outcome: str


@dataclass(frozen=True)
class Recovered:
    """What was made of a working folder: the request, what had been recorded, what was written."""

    request: Request
    recorded: Recorded
    finished: Finished


def recover_folder(
    folder: Path,
    output: Output,
    user: User | None,
    report: Callable[[float], None],
    identity: Identity | Unchanged,
) -> Recovered:
    """Writes the trace of the recording in the working folder ``folder`` into ``output``; the spools stay.

    Only the journal is read here, and the files of programs are opened; the trace is made by a process that works as
    ``identity`` and may do nothing else. ``report`` gets the share of the work that is done, 0 to 1. Disk errors come
    as OSError.

    Raises:
        BpfrecError: nothing was recorded.
    """
    left = read_left(folder)
    kept = left.kept
    if kept.begun is None or kept.attached is None:
        raise BpfrecError(
            f"nothing was recorded: the recorder ended before its first call, or {SpoolKind.JOURNAL}.spool is damaged",
            "Remove what it left with: bpfrec recover --clean",
        )
    for leg in left.legs:
        for kind in SpoolKind:
            spool = spool_in(folder, kind, leg)
            if not spool.exists():
                SpoolWriter(spool, output.group).close()
    output.spools = folder
    recorded = _recorded(left, kept.begun, kept.attached, folder)
    recorded.more_calls = [_write_unsent(left, folder, output)]
    try:
        _open_files(recorded.tracker, folder, left.legs)
        request = kept.begun.request
        return Recovered(request, recorded, finish_apart(request, recorded, output, user, report, None, identity))
    finally:
        recorded.tracker.close()


def _recorded(left: Left, begun: Begun, attached: Attached, folder: Path) -> Recorded:
    kept, calls = left.kept, spool_in(folder, SpoolKind.CALLS, left.legs[-1])
    ended, mark = kept.ended, kept.mark
    before, lost_before = attached.counters_before, attached.lost_before
    counters = dict.fromkeys((*COUNTERS, *_OTHER_COUNTERS), 0)
    counters |= {name: max(0, count - before.get(name, 0)) for name, count in (mark.counters if mark else {}).items()}
    lost = list(zip_longest(mark.lost_by_cpu if mark else [], lost_before, fillvalue=0))
    stop = (
        ended.stop_ns
        if ended
        else max(mark.time_ns if mark else 0, last_drain(calls, saved_parts(folder).end) or attached.start_ns)
    )
    samples = begun.request.selection(None).has_kernel_stacks and begun.boot == boot_id()
    return Recorded(
        clock=attached.clock,
        start_ns=attached.start_ns,
        stop_ns=max(stop, attached.start_ns),
        stopped=ended.stopped if ended else _KILLED,
        is_cut=False,
        ended_early=[],
        counters=counters,
        lost_by_cpu=[max(0, now - then) for now, then in lost],
        lost_bursts=[],
        ring_cpus=attached.ring_cpus,
        in_progress_at_end=_bytes(ended.in_progress) if ended else b"",
        in_progress_at_start=kept.looked.in_progress if kept.looked else [],
        looked_ns=kept.looked.looked_ns if kept.looked else attached.start_ns,
        tracker=_tracker(kept, begun, attached),
        ring_bytes=attached.ring_bytes,
        spooled_bytes=sum(spool_in(folder, SpoolKind.CALLS, leg).stat().st_size for leg in left.legs),
        child=_command(kept, begun, attached),
        follows_uring=attached.follows_uring,
        has_requests=attached.has_requests,
        kernel_symbols=read_kernel_symbols() if samples else None,
        begun=begun,
        is_unfinished=ended is None,
        legs=left.legs if left.legs != [0] else (),
        recording_start_ns=attached.recording_start_ns,
    )


def _open_files(tracker: ProcessTracker, folder: Path, legs: Iterable[int]) -> None:
    """Opens the files of programs that the side band tells of, as the recorder does while it records."""
    spools = [spool_in(folder, SpoolKind.SIDE_BAND, leg) for leg in legs]

    def chunks() -> Iterator[memoryview]:
        return (chunk.data.data for spool in spools for chunk in read_chunks(spool, _SIDE_BAND_BATCH))

    with tracker.careful.about("reading the side band"):
        tracker.learn_children(event for data in chunks() for event in parse_forks(data))
        tracker.open_files(event for data in chunks() for event in parse_events(data))


def _write_unsent(left: Left, folder: Path, output: Output) -> Path:
    """Writes the batches that had not been sent at the last mark, and were not sent later, as a spool of calls."""
    path, kept = output.folder / "unsent.spool", left.kept
    writer = SpoolWriter(path, output.group)
    try:
        mark = kept.mark
        if mark is not None and kept.ended is None:
            later = left.after_mark(folder, _MOST_LATER)
            for cpu, digits in kept.unsent.items():
                sample = _bytes(digits)
                # A batch that grew and was sent begins with what it held before.
                if sample and 0 <= cpu < _CPUS and later.find(wire.batch_of(sample)) < 0:
                    writer.write(cpu, mark.time_ns, [memoryview(sample)])
    finally:
        writer.close()
    return path


def _tracker(kept: Kept, begun: Begun, attached: Attached) -> ProcessTracker:
    tracker = ProcessTracker(
        attached.wanted,
        attached.follow,
        attached.command_pid,
        begun.request.command,
        perf_maps=PerfMaps(made=begun.wall_ns),
    )
    # Who may recover is root, or who recorded. Most processes have gone, and nobody can tell whose they were.
    tracker.modules.reads_as = reader(os.getpid())
    read: list[FoundProcess | StartedProgram] = [*kept.found, *kept.started]
    for entry in read:
        with tracker.careful.about("reading the journal"):
            tracker.take(entry)
    tracker.descriptors.by_pid.update({files.pid: files for files in kept.files})
    tracker.descriptors.apart += kept.apart
    tracker.descriptors.names.update(kept.sockets)
    return tracker


def _command(kept: Kept, begun: Begun, attached: Attached) -> _LostCommand | None:
    if attached.command_pid is None:
        return None
    ended = kept.ended
    outcome = (ended.outcome if ended else None) or "was still running when the recorder was killed"
    return _LostCommand(attached.command_pid, begun.request.command, (ended.exit_code if ended else None) or 0, outcome)


def _bytes(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""

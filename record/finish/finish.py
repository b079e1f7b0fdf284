"""Finishing a recording: reads the spools, writes calls, stacks, processes and losses, and makes the trace file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfrec.bpf.sideband import Event, Fork, Lost, parse_events, parse_forks
from bpfrec.formats.schema import (
    DESCRIPTORS,
    FRAMES,
    JIT_SYMBOLS,
    LOSSES,
    MAPPINGS,
    PROCESSES,
    SAMPLES,
    STACKS,
    THREAD_TABLES,
    THREADS,
)
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.finish.call_parts import CallParts, Converted
from bpfrec.record.finish.call_writer import CallWriter, convert_spool
from bpfrec.record.finish.gathering import gather_legs
from bpfrec.record.finish.losses import losses_of
from bpfrec.record.finish.manifest import manifest_of
from bpfrec.record.finish.rows import descriptor_rows, mapping_rows, process_rows, thread_rows, thread_table_rows
from bpfrec.record.finish.saved_binaries import BinaryWriter
from bpfrec.record.finish.saved_parts import SavedParts, saved_parts
from bpfrec.record.finish.sched_writer import SchedWriter
from bpfrec.record.finish.stages import Stages
from bpfrec.record.finish.unseen_entries import UnseenEntries
from bpfrec.record.processes.history import History
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.sudo_user import User
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.session.working_folder import SpoolKind
from bpfrec.record.spool import read_chunks
from bpfrec.record.stacks.frames import JitGaps, StackRows
from bpfrec.record.stacks.sample_table import SampleTable
from bpfrec.record.stacks.stack_table import NoStacks, StackTable, read_stack_table

_SIDE_BAND_BATCH = 1 << 30


@dataclass(frozen=True)
class Finished:
    """What was written: rows of ``syscalls`` and ``samples``, processes seen, calls lost, and rows of ``losses``.

    ``file``: the finished trace in the working folder, of ``size`` bytes.
    """

    calls: int
    samples: int
    processes: int
    lost: int
    file: Path
    size: int
    losses: list[dict[str, Any]]


def finish(
    request: Request,
    recorded: Recorded,
    output: Output,
    user: User | None,
    report: Callable[[float], None],
    converted: Callable[[], Converted | None] | None = None,
) -> Finished:
    """Makes the trace from the spools of ``output``, in its folder; ``report`` gets the share of work done, 0 to 1.

    ``converted``: gives what was made of the calls already; None: nothing was. Disk errors come as OSError.
    """
    output.use_reserve()
    # The disk is full of spools, and the trace is much smaller: what is read of them makes room for it.
    frees_spools = not recorded.keeps_spools and (recorded.is_cut or output.is_short_of_room())
    stages = Stages(_gathered(recorded, output, frees_spools), report)
    writer = TraceWriter(output.folder)
    tracker = recorded.tracker
    history = _history(recorded, output, user, stages)
    stacks: StackTable = NoStacks()
    with stages.optional(SpoolKind.SNAPSHOTS) as snapshots_report:
        stacks = read_stack_table(
            request.stacks,
            history,
            tracker.modules,
            tracker.perf_maps,
            output.spool(SpoolKind.SNAPSHOTS),
            output.spool(SpoolKind.LEARNED),
            snapshots_report,
        )
    if converted is not None:
        # Another process is still converting the calls.
        with stages.ahead("symbols"):
            stacks.look_up()
    if frees_spools:
        output.free_spool(SpoolKind.SIDE_BAND)
        output.free_spool(SpoolKind.SNAPSHOTS)
    with stages.stage(SpoolKind.CALLS) as calls_report:
        last = converted() if converted is not None else None
        saved = saved_parts(output.spools or output.folder)
        writer.keeps_parts = bool(saved.parts)
        if last is None:
            last = _converted(request, recorded, output, saved, calls_report, consume=frees_spools)
        elif frees_spools:
            output.free_spool(SpoolKind.CALLS)
        calls = _write_calls(request, recorded, output, writer, history, stacks, [*saved.parts, last])
    samples = SampleTable(history, stacks, has_stacks=request.stacks != "off", since=_since(recorded))
    sched = _write_samples(output, writer, samples, stages)
    gaps = JitGaps()
    with stages.optional("symbols"):
        _write_stacks(writer, recorded, stacks, samples, gaps)
    counters = recorded.counters | {
        "recorded": calls.rows,
        "samples": samples.count,
        "off_cpu": sched.count,
        "sideband_lost": history.lost_events,
    }
    pids = calls.pids | samples.pids | sched.pids | set(request.pids)
    with stages.optional("processes"):
        _write_processes(writer, tracker, history, pids, calls.tids | samples.tids | sched.tids)
    left_out = 0
    if request.save_binaries:
        binaries = BinaryWriter(writer, tracker.modules)
        with stages.optional("binaries"):
            binaries.write(mapping for pid in sorted(pids) for mapping in history.mappings(pid))
        counters |= {"saved_binaries": binaries.saved, "saved_binaries_bytes": binaries.bytes}
        left_out = binaries.left_out
    if recorded.legs and not recorded.is_cut:
        # Which of them were in the rings when a leg began is not known, but all that was sent is in the spools.
        counters |= {"sent_syscalls": calls.decoded, "sent_samples": samples.count}
    losses = losses_of(
        recorded,
        request,
        counters
        | {
            **_missing(recorded, counters["sent_syscalls"] - calls.decoded),
            "lost_samples": counters["lost_samples"] + counters["sent_samples"] - samples.count,
            "lost_off_cpu": counters["lost_off_cpu"] + counters["sent_off_cpu"] - sched.read,
            "undecoded": calls.undecoded,
            "unread_32_bit": calls.unread_32_bit,
            "failed_parts": len(stages.failed) + calls.failed_groups,
            "unread_descriptors": tracker.descriptors.refused,
            "unread_lines": tracker.modules.unread_lines,
            "unread_symbols": tracker.modules.unread_symbols,
            "unheld_files": tracker.modules.unheld + tracker.perf_maps.unheld,
            "refused_files": tracker.modules.refused,
            "unanswered_files": tracker.modules.unanswered,
            "cut_perf_maps": tracker.perf_maps.cut,
            "jit_stacks_cut": gaps.cut,
            "jit_stacks_unnamed": gaps.unnamed,
            "binaries_left_out": left_out,
        },
    )
    writer.write_rows(LOSSES, losses)
    counters["lost"] = sum(row["count"] for row in losses if row["severity"] == "data_loss")
    manifest = manifest_of(request, recorded, counters, calls.per_syscall)
    with stages.stage("file"):
        file, size = writer.make_file(manifest, (user.uid, user.gid) if user else None)
    rows = manifest.tables[PROCESSES.name].rows
    return Finished(calls.rows, samples.count, rows, counters["lost"], file, size, losses)


def _gathered(recorded: Recorded, output: Output, consume: bool) -> dict[str, int]:
    """Makes ``output`` read the spools of all legs, if there are several; bytes to be read, by kind."""
    if recorded.legs:
        folder = output.spools or output.folder
        more = gather_legs(output, folder, recorded.legs, consume=consume)
        recorded.more_calls = [*more, *recorded.more_calls]
    kinds = (kind for kind in SpoolKind if kind is not SpoolKind.JOURNAL)
    sizes: dict[str, int] = {kind: output.spool(kind).stat().st_size for kind in kinds}
    sizes[SpoolKind.CALLS] += sum(spool.stat().st_size for spool in recorded.more_calls)
    return sizes


def _converted(
    request: Request,
    recorded: Recorded,
    output: Output,
    saved: SavedParts,
    report: Callable[[float], None],
    *,
    consume: bool,
) -> Converted:
    """What is made of the calls that are not in ``saved``."""
    since = _since(recorded)
    parts = CallParts(output.folder, "calls", first=saved.rows, failed_only=request.failed_only, since=since)
    spools = [output.spool(SpoolKind.CALLS), *recorded.more_calls]
    sizes = [spool.stat().st_size for spool in spools]
    total, before, start = max(1, sum(sizes)), 0, saved.end
    for spool, size in zip(spools, sizes, strict=True):
        share = _share_of(report, before / total, size / total)
        convert_spool(parts, spool, share, start=start, consume=consume)
        before, start = before + size, 0
    return parts.close()


def _share_of(report: Callable[[float], None], before: float, share: float) -> Callable[[float], None]:
    """What tells ``report`` how much is done of all, given how much is done of one spool that is a ``share`` of it."""
    return lambda done: report(before + share * done)


def _write_calls(
    request: Request,
    recorded: Recorded,
    output: Output,
    writer: TraceWriter,
    history: History,
    stacks: StackTable,
    made: list[Converted],
) -> CallWriter:
    narrowed = not (request.comm is None and request.uid is None and request.cgroup is None)
    unseen = UnseenEntries(recorded.in_progress_at_start, recorded.looked_ns, narrowed)
    calls = CallWriter(output.folder, writer, history, stacks, unseen, made, failed_only=request.failed_only)
    calls.write_held()
    if not request.failed_only:
        calls.write_in_progress_at_end(recorded.in_progress_at_end)
        calls.write_in_progress_at_start(recorded.in_progress_at_start, recorded.start_ns)
    calls.close()
    return calls


def _since(recorded: Recorded) -> int:
    """What ended before that (ns, CLOCK_MONOTONIC) is left out: the BPF program had it when the first leg began."""
    return 0 if recorded.recording_start_ns is None else recorded.start_ns


def _missing(recorded: Recorded, missing: int) -> dict[str, int]:
    """The ``missing`` calls, which were sent and are not in the spools, under the name of why."""
    # A killed recorder had some in memory, and nobody knows how many.
    return {"unfinished": max(1, missing)} if recorded.is_unfinished else {"not_spooled": missing}


def _history(recorded: Recorded, output: Output, user: User | None, stages: Stages) -> History:
    tracker = recorded.tracker
    history: History | None = None
    with stages.optional(SpoolKind.SIDE_BAND):
        history = tracker.history(_side_band_events(output, tracker))
    if history is None:
        history = tracker.history([])
    if recorded.child is not None and user is not None:
        # It was found before it became that user.
        for life in history.lives(recorded.child.pid)[:1]:
            life.uid = user.uid
    return history


def _write_samples(output: Output, writer: TraceWriter, samples: SampleTable, stages: Stages) -> SchedWriter:
    """Writes the samples, and what has numbers of stacks behind theirs: the times off the CPU."""
    with stages.optional(SpoolKind.SAMPLES) as samples_report:
        samples.read(output.spool(SpoolKind.SAMPLES), samples_report)
        writer.write(SAMPLES, samples.rows())
    sched = SchedWriter(samples.history, samples.kernel, samples.stacks.count, samples.since)
    with stages.optional(SpoolKind.SCHED) as sched_report:
        sched.write(output.spool(SpoolKind.SCHED), writer, sched_report)
    return sched


def _write_stacks(
    writer: TraceWriter, recorded: Recorded, stacks: StackTable, samples: SampleTable, gaps: JitGaps
) -> None:
    def write(rows: StackRows) -> None:
        writer.write_rows(STACKS, rows.stacks)
        writer.write_rows(FRAMES, rows.frames)
        writer.write_rows(JIT_SYMBOLS, rows.jit_symbols)

    for rows in stacks.resolve():
        gaps.count(rows)
        write(rows)
    if recorded.kernel_symbols is not None:
        # Their numbers follow those of all other stacks.
        write(samples.kernel_stacks(recorded.kernel_symbols))


def _write_processes(
    writer: TraceWriter, tracker: ProcessTracker, history: History, pids: set[int], tids: set[int]
) -> None:
    writer.write_rows(PROCESSES, process_rows(history, tracker.descriptors, pids))
    writer.write_rows(DESCRIPTORS, descriptor_rows(tracker.descriptors, pids))
    writer.write_rows(THREAD_TABLES, thread_table_rows(tracker.descriptors, pids))
    writer.write_rows(THREADS, thread_rows(history, tids))
    writer.write_rows(MAPPINGS, mapping_rows(history, tracker.modules, pids))


def _side_band_events(output: Output, tracker: ProcessTracker) -> list[Event]:
    """The events of processes that can matter, for the side band tells of every process there is."""

    def chunks() -> Iterator[memoryview]:
        return (chunk.data.data for chunk in read_chunks(output.spool(SpoolKind.SIDE_BAND), _SIDE_BAND_BATCH))

    tracker.learn_children(event for data in chunks() for event in parse_forks(data))
    return [
        event
        for data in chunks()
        for event in parse_events(data)
        if isinstance(event, Fork | Lost) or tracker.matters(event.pid)
    ]

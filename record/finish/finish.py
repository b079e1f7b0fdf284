"""From the spools to the trace: calls, stacks, processes and losses written, the file closed and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    THREADS,
)
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.finish.call_writer import CallWriter
from bpfrec.record.finish.losses import binary_losses, losses_of, symbol_losses
from bpfrec.record.finish.manifest import manifest_of
from bpfrec.record.finish.rows import descriptor_rows, mapping_rows, process_rows, thread_rows
from bpfrec.record.finish.saved_binaries import BinaryWriter
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output, SpoolKind
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.sudo_user import User
from bpfrec.record.session.tracker import Surroundings
from bpfrec.record.spool import read_chunks
from bpfrec.record.stacks.sample_table import SampleTable
from bpfrec.record.stacks.stack_table import read_stack_table

_SIDE_BAND_BATCH = 1 << 30


@dataclass(frozen=True)
class Finished:
    """What was written: rows of ``syscalls`` and ``samples``, processes seen, calls lost, size of the file in bytes."""

    calls: int
    samples: int
    processes: int
    lost: int
    size: int
    losses: list[dict[str, Any]]


def finish(
    request: Request, recorded: Recorded, output: Output, user: User | None, report: Callable[[float], None]
) -> Finished:
    """Makes the trace at ``output.target`` from its spools; ``report`` gets the share of calls written, 0 to 1.

    Disk errors come as OSError.
    """
    writer = TraceWriter(output.folder)
    surroundings = recorded.surroundings
    history = surroundings.history(_sideband_events(output, surroundings))
    if recorded.child is not None and user is not None:
        # It was found before it became that user.
        for life in history.lives(recorded.child.pid)[:1]:
            life.uid = user.uid
    stacks = read_stack_table(
        request.stacks,
        history,
        surroundings.modules,
        surroundings.perf_maps,
        output.spool(SpoolKind.SNAPSHOTS),
        output.spool(SpoolKind.LEARNED),
        report,
    )
    calls = CallWriter(writer, history, stacks)
    calls.write_all(output.spool(SpoolKind.CALLS), report)
    if not request.failed_only:
        calls.write_under_way(recorded.under_way)
        calls.write_waiting(recorded.waiting, recorded.start_ns)
    calls.flush()

    samples = SampleTable(history, stacks, has_stacks=request.stacks != "off")
    samples.read(output.spool(SpoolKind.SAMPLES), report)
    writer.write(SAMPLES, samples.rows())
    losses = losses_of(recorded, calls.decoded, samples.count, history.lost_events)
    lost = sum(row["count"] for row in losses if row["severity"] == "data_loss")
    for rows in stacks.resolve():
        writer.write_rows(STACKS, rows.stacks)
        writer.write_rows(FRAMES, rows.frames)
        writer.write_rows(JIT_SYMBOLS, rows.jit_symbols)
    losses += symbol_losses(
        surroundings.modules.unread_lines, surroundings.modules.unread_symbols, surroundings.perf_maps.cut
    )
    if recorded.kernel_symbols is not None:
        kernel = samples.kernel_stacks(recorded.kernel_symbols)
        writer.write_rows(STACKS, kernel.stacks)
        writer.write_rows(FRAMES, kernel.frames)
    pids = calls.pids | samples.pids | set(request.pids)
    writer.write_rows(PROCESSES, process_rows(history, surroundings.descriptors, pids))
    writer.write_rows(DESCRIPTORS, descriptor_rows(surroundings.descriptors, pids))
    writer.write_rows(THREADS, thread_rows(history, calls.tids | samples.tids))
    writer.write_rows(MAPPINGS, mapping_rows(history, surroundings.modules, pids))
    saved: dict[str, int] = {}
    if request.save_binaries:
        binaries = BinaryWriter(writer, surroundings.modules)
        binaries.write(mapping for pid in sorted(pids) for mapping in history.mappings(pid))
        saved = {"saved_binaries": binaries.saved, "saved_binaries_bytes": binaries.bytes}
        losses += binary_losses(binaries.left_out)
    writer.write_rows(LOSSES, losses)
    counters = (
        recorded.counters
        | saved
        | {
            "recorded": calls.rows,
            "samples": samples.count,
            "lost": lost,
            "sideband_lost": history.lost_events,
        }
    )
    manifest = manifest_of(request, recorded, counters, calls.per_syscall)
    size = writer.finish(manifest, output.target, (user.uid, user.gid) if user else None)
    return Finished(calls.rows, samples.count, manifest.tables[PROCESSES.name].rows, lost, size, losses)


def _sideband_events(output: Output, surroundings: Surroundings) -> list[Event]:
    """The events that can matter: the side band tells of every process there is."""
    chunks = [chunk.data.tobytes() for chunk in read_chunks(output.spool(SpoolKind.SIDE_BAND), _SIDE_BAND_BATCH)]
    surroundings.learn_children(event for data in chunks for event in parse_forks(data))
    return [
        event
        for data in chunks
        for event in parse_events(data)
        if isinstance(event, Fork | Lost) or surroundings.matters(event.pid)
    ]

"""The view ``recording``: what the manifest says, as one row of SQL."""

from __future__ import annotations

import json
import shlex

from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.engine.view import View, ViewColumn, fact
from bpfrec.analyze.views.tables import recorded_syscalls
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.trace_reader import table_rows

_INT64 = range(-(2**63), 2**63)
MOST_SYSCALLS = 2_000
"""System calls in the view ``recording``. A kernel has some 400; a fuzzer makes up more."""

MOST_CHARACTERS = 1 << 18
"""Of a text of the manifest. Longer ones are made to take memory and time."""

_COUNTS = "MAP(VARCHAR, BIGINT)"


def wall_offset_ns(manifest: Manifest) -> int:
    """What has to be added to a time on the recording host's CLOCK_MONOTONIC for ns since the epoch (UTC)."""
    return manifest.clock.wall_ns - manifest.clock.monotonic_ns


_RECORDER_START = "start of the recorder, wall clock (UTC), where it kept the last part alone; NULL: it kept all"


def check_clock(manifest: Manifest, where: str) -> None:
    """Checks that the times of a manifest fit into a TIMESTAMP_NS.

    Raises:
        TraceFileError: they do not. ``where`` is the file's name.
    """
    offset = wall_offset_ns(manifest)
    times = (manifest.start_ns, manifest.stop_ns, manifest.recording_start_ns or 0)
    if not all(t in _INT64 for t in (offset, *(t + offset for t in times))):
        raise TraceFileError(f"{where}: the clock in its manifest is out of range", "The file is damaged.")


def recording_view(manifest: Manifest, place: str, size: int) -> View:
    """The view of one row for the trace at ``place``, which has ``size`` bytes."""
    host, offset, rows = manifest.host, wall_offset_ns(manifest), table_rows(manifest)
    columns = (
        fact("file", "VARCHAR", "the trace, as it was named", place),
        fact("size_bytes", "BIGINT", "its size, bytes", size),
        fact("format_version", "INTEGER", "version of the trace format", manifest.format_version),
        fact("tool_version", "VARCHAR", "version of the bpfrec that recorded it", _cut(manifest.tool_version)),
        fact(
            "command_line", "VARCHAR", "how it was called, quoted for a shell", _cut(shlex.join(manifest.command_line))
        ),
        _time("start", "start of the recording, wall clock (UTC)", manifest.start_ns + offset),
        _time("stop", "its end, wall clock (UTC)", manifest.stop_ns + offset),
        fact(
            "recorder_start",
            "TIMESTAMP_NS",
            _RECORDER_START,
            None,
        )
        if manifest.recording_start_ns is None
        else _time("recorder_start", _RECORDER_START, manifest.recording_start_ns + offset),
        fact("duration_ns", "BIGINT", "its length, ns", manifest.stop_ns - manifest.start_ns),
        fact("utc_offset_s", "BIGINT", "what the host's local time added to UTC, seconds", manifest.clock.utc_offset_s),
        fact("stopped", "VARCHAR", "why it ended", _cut(manifest.stopped)),
        fact(
            "finished",
            "BOOLEAN",
            "whether the recorder finished it; if not, it was killed, and what came after the stop is missing",
            manifest.finished,
        ),
        fact("host", "VARCHAR", "name of the host", _cut(host.name)),
        fact("kernel", "VARCHAR", "its kernel", _cut(host.kernel)),
        fact("arch", "VARCHAR", "its architecture", _cut(host.arch)),
        fact("cpus", "BIGINT", "its CPUs online", host.cpus),
        fact("memory_bytes", "BIGINT", "its RAM, bytes", host.memory_bytes),
        fact("page_size", "BIGINT", "its page size, bytes", host.page_size),
        fact("calls", "BIGINT", "system calls in the trace", rows.get("syscalls", 0)),
        fact("counters", _COUNTS, "what was counted while recording: recorded, lost ...", manifest.counters),
        fact("tables", _COUNTS, "rows per table", rows),
        fact(
            "syscalls",
            _COUNTS,
            f"rows per system call; of more than {MOST_SYSCALLS:,} those with the most rows",
            _most_frequent(manifest.syscalls),
        ),
        fact("configuration", "VARCHAR", "options of the recording, JSON", _cut(json.dumps(manifest.configuration))),
        fact(
            "command",
            "VARCHAR",
            "how the command that it started ended, JSON; NULL: it started none",
            None if manifest.command is None else _cut(json.dumps(manifest.command)),
        ),
    )
    return View("main", "recording", "The recording as a whole: one row.", columns, "")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} ... (+{len(text) - MOST_CHARACTERS:,})"


def _most_frequent(counts: dict[str, int]) -> dict[str, int]:
    names = recorded_syscalls(counts)
    if len(names) > MOST_SYSCALLS:
        most = set(sorted(names, key=lambda name: counts[name], reverse=True)[:MOST_SYSCALLS])
        names = [name for name in names if name in most]
    return {name: counts[name] for name in names}


def _time(name: str, comment: str, wall_ns: int) -> ViewColumn:
    return ViewColumn(name, "TIMESTAMP_NS", comment, f"make_timestamp_ns({literal(wall_ns)})")

"""A profile for the Firefox Profiler, in the Gecko profile format, version 24.

The profiler's own importer of perf script's text (src/profile-logic/import/linux-perf.ts) writes that version, so it
stays readable. Its tables: docs-developer/gecko-profile-format.md and src/types/gecko-profile.ts there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bpfrec.analyze.export.source import UNKNOWN, Call, Sample, Source, StackFrame
from bpfrec.analyze.views.recording import wall_offset_ns

_VERSION = 24
_INSTANT, _INTERVAL, _START = 0, 1, 2
_USER, _KERNEL, _CALL, _FAILURE = range(4)
_CATEGORIES = [
    {"name": name, "color": color, "subcategories": ["Other"]}
    for name, color in (("User", "yellow"), ("Kernel", "orange"), ("System call", "blue"), ("Failed call", "red"))
]
_CALL_SCHEMA = {
    "name": "syscall",
    "display": ["marker-chart", "marker-table", "timeline-overview"],
    "chartLabel": "{marker.name}",
    "tooltipLabel": "{marker.data.call}",
    "tableLabel": "{marker.data.call}",
    "data": [
        {"key": "call", "label": "Call", "format": "string", "searchable": True},
        {"key": "errno", "label": "Error", "format": "string", "searchable": True},
        {"key": "path", "label": "Path", "format": "file-path", "searchable": True},
        {"key": "event", "label": "event_id", "format": "integer"},
    ],
}
_MARKERS = ("name", "startTime", "endTime", "phase", "category", "data")
_SAMPLES = ("stack", "time", "responsiveness")
_FRAMES = (
    *("location", "relevantForJS", "innerWindowID", "implementation", "optimizations", "line", "column", "category"),
    "subcategory",
)
_STACKS = ("prefix", "frame")

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def firefox(source: Source) -> Iterator[bytes]:
    """Yields the parts of the profile of what ``source`` reads: a thread for each thread, a marker for each call."""
    manifest = source.trace.manifest
    start_ns = manifest.start_ns
    stacks = source.stacks()
    names = source.threads()
    processes = source.processes()
    threads: dict[tuple[int, int], _Thread] = {}

    def thread(pid: int, tid: int) -> _Thread:
        found = threads.get((pid, tid))
        if found is None:
            found = threads[pid, tid] = _Thread(stacks, start_ns)
        return found

    for call in source.calls():
        thread(call.pid, call.tid).call(call)
    for sample in source.samples():
        thread(sample.pid, sample.tid).sample(sample)
    frequency = manifest.configuration.get("profile_hz")
    meta = {
        "interval": 1000 / frequency if isinstance(frequency, int) and frequency > 0 else 1,
        "processType": 0,
        "product": "bpfrec",
        "stackwalk": 1,
        "debug": 0,
        "gcpoison": 0,
        "asyncstack": 1,
        "startTime": (start_ns + wall_offset_ns(manifest)) / 1e6,
        "shutdownTime": None,
        "version": _VERSION,
        "presymbolicated": True,
        "categories": _CATEGORIES,
        "markerSchema": [_CALL_SCHEMA],
    }
    yield f'{{"meta":{_encode(meta)},"libs":[],"processes":[],"pausedRanges":[],"threads":['.encode()
    for number, ((pid, tid), found) in enumerate(sorted(threads.items())):
        head = {
            "tid": tid,
            "pid": pid,
            "name": names.get((pid, tid), UNKNOWN),
            "processName": processes.get(pid, UNKNOWN),
            "processType": "default",
            "registerTime": 0,
            "unregisterTime": None,
        }
        yield f"{',' if number else ''}{_encode(head)[:-1]},".encode()
        yield from found.tables()
    yield b"]}"


class _Thread:
    """The tables of one thread. Rows are kept as JSON, for there may be millions of them."""

    def __init__(self, stacks: dict[int, list[StackFrame]], start_ns: int) -> None:
        self._stacks = stacks
        self._start_ns = start_ns
        self._markers: list[str] = []
        self._samples: list[str] = []
        self._strings: dict[str, int] = {}
        self._frames: dict[tuple[int, int], int] = {}
        self._nodes: dict[tuple[int | None, int], int] = {}

    def call(self, call: Call) -> None:
        """A marker; one without an end for a call that never returned."""
        start = self._ms(call.ts_ns)
        end = None if call.duration_ns is None else self._ms(call.ts_ns + call.duration_ns)
        data: dict[str, Any] = {"type": "syscall", "call": call.text, "event": call.event_id}
        if call.errno is not None:
            data["errno"] = call.errno
        if call.path is not None:
            data["path"] = call.path
        if call.stack_id in self._stacks:
            # The profiler shows the only sample of this small profile as the cause of the marker.
            stack = self._stack(((call.stack_id, _USER),))
            samples = {"schema": _schema(_SAMPLES), "data": [[stack, start, 0]]}
            data["stack"] = {"name": "SyncProfile", "tid": call.tid, "pid": call.pid, "samples": samples}
        category = _CALL if call.errno is None else _FAILURE
        phase = _START if end is None else _INTERVAL
        self._markers.append(_encode([self._string(call.syscall), start, end, phase, category, data]))

    def sample(self, sample: Sample) -> None:
        """A sample: the frames in the kernel stand on those of the user stack."""
        parts = ((sample.stack_id, _USER), (sample.kernel_stack_id, _KERNEL))
        stack = self._stack(tuple((number, kind) for number, kind in parts if number in self._stacks))
        self._samples.append(_encode([stack, self._ms(sample.ts_ns), 0]))

    def tables(self) -> Iterator[bytes]:
        """The tables as members of a JSON object, and its end."""
        nothing = (None,) * 4
        frames = [_encode([place, False, 0, *nothing, kind, None]) for place, kind in self._frames]
        nodes = [_encode(node) for node in self._nodes]
        tables = (
            ("markers", _MARKERS, self._markers),
            ("samples", _SAMPLES, self._samples),
            ("frameTable", _FRAMES, frames),
            ("stackTable", _STACKS, nodes),
        )
        for name, columns, rows in tables:
            yield f'"{name}":{{"schema":{_encode(_schema(columns))},"data":['.encode()
            yield ",".join(rows).encode()
            yield b"]},"
        yield f'"stringTable":{_encode(list(self._strings))}}}'.encode()

    def _ms(self, ts_ns: int) -> float:
        return (ts_ns - self._start_ns) / 1e6

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def _stack(self, parts: tuple[tuple[int | None, int], ...]) -> int | None:
        """The node of a call stack that consists of ``parts``, outermost first, each with its category."""
        node: int | None = None
        for number, kind in parts:
            for frame in reversed(self._stacks[number or 0]):
                # The profiler finds the file of a function in its name.
                place = (self._string(f"{frame.function} (in {frame.module})"), kind)
                at = self._frames.setdefault(place, len(self._frames))
                node = self._nodes.setdefault((node, at), len(self._nodes))
        return node


def _schema(columns: tuple[str, ...]) -> dict[str, int]:
    return {name: place for place, name in enumerate(columns)}

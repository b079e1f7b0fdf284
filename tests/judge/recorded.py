"""The calls of a recording, as the judge compares them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.formats.kernel.captures import MOST_WORDS
from bpfrec.formats.kernel.syscalls import syscalls
from judge.captures import Capture

ARGS = ", ".join(f"arg{i}" for i in range(6))
CALLS = f"""
SELECT event_id, pid, tid, syscall, [{ARGS}], ret, errno, unfinished, entry_status,
path, path_status, path2, path2_status
FROM syscalls ORDER BY tid, ts_ns, event_id
"""

WORDS = ", ".join(f"word{number}" for number in range(MOST_WORDS))
STRUCTS = f"""
SELECT event_id, arg, [tv_sec::HUGEINT, tv_nsec::HUGEINT], status FROM timespecs
UNION ALL SELECT event_id, arg, [{WORDS}]::HUGEINT[], status FROM structs
"""
SOCKADDRS = "SELECT event_id, arg, family, address, port, status FROM sockaddrs"
STRINGS = """
SELECT event_id, arg, list(value ORDER BY position), list(status ORDER BY position) FROM exec_args GROUP BY ALL
"""
ARRAYS = """
SELECT event_id, arg, kind, phase, position, word0, coalesce(word1, 0), status FROM arrays
ORDER BY event_id, arg, phase, position
"""
OTHERS = {
    "strings": "SELECT event_id, arg, [value], status FROM strings",
    "contents": "SELECT event_id, arg, bytes, status = 'truncated', nullif(status, 'truncated') FROM data",
}
RESULT, WHOLE = -1, -2
"""In :attr:`Recorded.texts`, where an argument has its index: the text of the result, and of the whole call."""


class RecordingError(Exception):
    """The recording cannot be compared."""


@dataclass
class Recorded:
    """One recorded call; by index of the argument: paths and their status, other data, texts of the view's columns."""

    event_id: int
    pid: int
    tid: int
    name: str
    args: list[int]
    ret: int | None
    errno: str | None
    unfinished: str | None
    entry_status: str | None
    paths: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
    data: dict[int, Capture] = field(default_factory=dict)
    texts: dict[int, str | None] = field(default_factory=dict)

    def __str__(self) -> str:
        ret = f"({self.unfinished})" if self.ret is None else f"{self.ret:#x}" if self.ret > 4096 else str(self.ret)
        shown = [f"{arg:#x}" if arg > 9 else str(arg) for arg in self.args]
        for index, (path, status) in self.paths.items():
            if index < len(shown):
                shown[index] += f" {path!r}" + (f" [{status}]" if status else "")
        return f"{self.name}({', '.join(shown)}) = {ret}" + (f" {self.errno}" if self.errno else "")


@dataclass
class Recording:
    """The calls by thread, in order; ``command`` is the process that was started to be recorded."""

    threads: dict[int, list[Recorded]]
    command: int
    children: set[int]
    """Processes whose parent is ``command``."""

    def __len__(self) -> int:
        return sum(map(len, self.threads.values()))


def read_recording(path: Path, worded: Collection[int] | None = None) -> Recording:
    """The recording at ``path``, with texts for the threads ``worded``, None: for all.

    Raises:
        RecordingError: events are missing in it, and it says so.
    """
    with bpfrec.open(path) as trace:
        lost = trace.sql("SELECT kind, count FROM losses WHERE severity = 'data_loss'").fetchall()
        if lost:
            raise RecordingError(f"the recording lacks events: {lost}")
        calls = [_recorded(row) for row in trace.sql(CALLS).fetchall()]
        by_id = {call.event_id: call for call in calls}
        _add_data(trace, by_id)
        _add_texts(trace, [call for call in calls if worded is None or call.tid in worded])
        command = int(trace.manifest.command["pid"])
        parents = trace.sql("SELECT pid, ppid FROM processes").fetchall()
    threads: dict[int, list[Recorded]] = defaultdict(list)
    for call in calls:
        threads[call.tid].append(call)
    return Recording(dict(threads), command, {pid for pid, ppid in parents if ppid == command and pid != command})


def _recorded(row: tuple) -> Recorded:  # type: ignore[type-arg]
    event_id, pid, tid, name, args, ret, errno, unfinished, entry_status, *paths = row
    given = [arg for arg in args if arg is not None]
    known = syscalls().get(name)
    indexes = known.paths[:2] if known else ()
    pairs = zip(indexes, (paths[:2], paths[2:]), strict=False)
    known_paths = {i: (path, status) for i, (path, status) in pairs}
    return Recorded(event_id, pid, tid, name, given, ret, errno, unfinished, entry_status, known_paths)


def _add_data(trace: Trace, by_id: dict[int, Recorded]) -> None:
    for event_id, arg, words, status in trace.sql(STRUCTS).fetchall():
        _add(by_id[event_id], arg, status, words=tuple(word % 2**64 for word in words if word is not None))
    for event_id, arg, family, address, port, status in trace.sql(SOCKADDRS).fetchall():
        _add(by_id[event_id], arg, status, family=family, address=address, port=port)
    for event_id, arg, values, statuses in trace.sql(STRINGS).fetchall():
        strings = tuple(value for value in values if value is not None)
        _add(by_id[event_id], arg, next(filter(None, statuses), None), strings=strings)
    for event_id, arg, values, status in trace.sql(OTHERS["strings"]).fetchall():
        _add(by_id[event_id], arg, status, strings=tuple(value for value in values if value is not None))
    for event_id, arg, contents, cut, status in trace.sql(OTHERS["contents"]).fetchall():
        _add(by_id[event_id], arg, status, contents=contents, cut=bool(cut))
    for event_id, arg, kind, phase, *element, status in trace.sql(ARRAYS).fetchall():
        known = by_id[event_id].data.get(arg, Capture()).arrays
        _add(by_id[event_id], arg, status, arrays=known if status else (*known, (kind, phase, tuple(element))))


def _add(call: Recorded, arg: int, status: str | None, **values: Any) -> None:
    known = call.data.get(arg, Capture())
    call.data[arg] = replace(known, status=known.status or status, **values)


def _add_texts(trace: Trace, calls: list[Recorded]) -> None:
    """What the views of the calls say in words, where they do."""
    by_id = {call.event_id: call for call in calls}
    threads = ", ".join(str(tid) for tid in {call.tid for call in calls})
    for name in sorted({call.name for call in calls}):
        known = syscalls().get(name)
        if not known or known.arguments is None:
            continue
        columns = {column for _, column, _, _ in trace.schema(f"sys.{name}").rows}
        worded = {f"{a.name}_text": a.index for a in known.arguments} | {"ret_text": RESULT, "call_text": WHOLE}
        chosen = [column for column in worded if column in columns]
        if not chosen:
            continue
        listed = ", ".join(f'"{column}"' for column in chosen)
        query = f'SELECT event_id, {listed} FROM sys."{name}" WHERE tid IN ({threads})'
        for event_id, *texts in trace.sql(query).fetchall():
            by_id[event_id].texts = {worded[column]: text for column, text in zip(chosen, texts, strict=True)}

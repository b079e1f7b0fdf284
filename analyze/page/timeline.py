"""The timeline of the page: a lane for each thread, its most telling calls, and how many others there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bpfrec.analyze.engine.sqltemplate import Fragment, render_text
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.page.kinds import KINDS, kind_of
from bpfrec.analyze.page.texts import Pool, shown
from bpfrec.analyze.reports.call_texts import call_texts
from bpfrec.analyze.reports.socket_names import socket_names

_ACTIVITY_BUCKETS = 300
_FRAMES = 64
"""Frames of a stack; what is longer says how many more there are."""


@dataclass(frozen=True)
class Room:
    """How much a page may hold: calls one by one, lanes, buckets of all lanes together, stacks, rows of a table,
    frames of a flame graph.
    """

    calls: int = 20_000
    lanes: int = 400
    buckets: int = 60_000
    stacks: int = 2_000
    rows: int = 2_000
    frames: int = 8_000

    def halved(self) -> Room:
        """Half as much."""
        sizes = (self.calls, self.lanes, self.buckets, self.stacks, self.rows, self.frames)
        return Room(*(max(size // 2, 1) for size in sizes))


def timeline(trace: Trace, where: Fragment, room: Room) -> dict[str, Any]:
    """The timeline of the calls that meet ``where``. Times are ns since the recording began."""
    manifest = trace.manifest
    length_ns = max(manifest.stop_ns - manifest.start_ns, 1)
    times = {"start_ns": manifest.start_ns, "where": where}
    found = trace.query(_sql("lanes", where=where)).rows
    lanes = found[: room.lanes]
    total = sum(row[3] for row in found)
    kept = room.calls
    trace.execute(
        _sql("kept", where=where, stop_ns=manifest.stop_ns, failures=kept * 2 // 5, longest=kept - kept * 2 // 5)
        if total > kept
        else f"CREATE OR REPLACE TEMP TABLE page_kept AS SELECT event_id FROM syscalls WHERE {where}"  # noqa: S608 - ours
    )
    of_thread = {(pid, tid): number for number, (pid, tid, *_) in enumerate(lanes)}
    calls, pools, used = _calls(trace, of_thread)
    stacks, frames = _stacks(trace, room.stacks, used)
    listed = len(calls["event"])
    trace.execute("DROP TABLE page_kept")
    notes = []
    if listed < total:
        notes.append(
            f"{listed:,} of {total:,} calls are drawn one by one: the longest, and failures of each kind. "
            "Of the others the lanes show how many there were, and how many failed."
        )
    if len(found) > len(lanes):
        hidden = sum(row[3] for row in found[room.lanes :])
        notes.append(
            f"Threads without a lane, those with the fewest calls: {len(found) - len(lanes):,}, with {hidden:,} calls."
        )
    return {
        "length_ns": length_ns,
        "kinds": KINDS,
        "lanes": [
            {"pid": pid, "tid": tid, "comm": shown(comm or "[unknown]", 64), "calls": count, "failed": failed}
            for pid, tid, comm, count, failed in lanes
        ],
        "lives": _lives(trace, {pid for pid, _, *_ in lanes}),
        "calls": calls,
        "names": pools["names"],
        "of_kind": [kind_of(name) for name in pools["names"]],
        "errnos": pools["errnos"],
        "objects": pools["objects"],
        "remarks": pools["remarks"],
        "stacks": stacks,
        "frames": frames,
        "activity": _activity(trace, times, length_ns),
        "buckets": _buckets(trace, times, length_ns, of_thread, room) if listed < total else None,
        "total": total,
        "notes": notes,
    }


def _calls(
    trace: Trace, of_thread: dict[tuple[int, int], int]
) -> tuple[dict[str, list[Any]], dict[str, list[str]], set[int]]:
    """The kept calls as columns by time of entry, the texts that they refer to by number, and their stacks."""
    texts = call_texts(trace, "SELECT event_id FROM page_kept")
    sql = _sql("calls", texts=texts, start_ns=trace.manifest.start_ns, **socket_names())
    names = ("event", "lane", "at", "took", "name", "errno", "ret", "text", "path", "object", "stack", "remark")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    pools = {name: Pool() for name in ("names", "errnos", "objects", "remarks")}
    used: set[int] = set()

    def number(pool: str, text: str | None) -> int:
        return -1 if text is None else pools[pool].number(shown(text))

    for event, pid, tid, at, took, name, errno, ret, text, path, thing, stack, remark in trace.query(
        sql, lazy=True
    ).source:
        lane = of_thread.get((pid, tid))
        if lane is None:
            continue
        if stack is not None:
            used.add(stack)
        row = (
            *(event, lane, at, took, number("names", name or "[unknown]"), number("errnos", errno)),
            *(None if ret is None else _exact(ret), None if text is None else shown(text)),
            *(number("objects", path), number("objects", thing), stack, number("remarks", remark)),
        )
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return columns, {name: pool.texts for name, pool in pools.items()}, used


def _exact(number: int) -> int | str:
    """A number that JavaScript reads as it is."""
    return number if abs(number) < 1 << 53 else str(number)


def _stacks(trace: Trace, most: int, used: set[int]) -> tuple[dict[int, list[int]], list[str]]:
    """The frames of stacks by the number of the stack, innermost first, and the texts of frames by their number."""
    pool = Pool()
    stacks = {}
    if used:
        for stack, text in trace.query(_sql("stacks", most=most), lazy=True).source:
            lines = (text or "").splitlines()
            more = [f"... [{len(lines) - _FRAMES} more frames]"] if len(lines) > _FRAMES else []
            stacks[stack] = [pool.number(shown(line, 300)) for line in [*lines[:_FRAMES], *more]]
    return stacks, pool.texts


def _lives(trace: Trace, pids: set[int]) -> list[dict[str, Any]]:
    """The processes: name, start and end (None: outside the recording, or not known), and how they ended."""
    rows = trace.query(_sql("lives", start_ns=trace.manifest.start_ns), lazy=True).source
    return [
        {
            "pid": pid,
            "name": shown(name or "[unknown]", 200),
            "start": start,
            "end": end,
            "code": code,
            "signal": signal,
        }
        for pid, name, start, end, code, signal in rows
        if pid in pids
    ]


def _activity(trace: Trace, times: dict[str, Any], length_ns: int) -> dict[str, Any]:
    """Calls and failures of all threads by time, each bucket ``ns`` long."""
    bucket_ns = max(-(-length_ns // _ACTIVITY_BUCKETS), 1)
    calls, failed = [0] * _ACTIVITY_BUCKETS, [0] * _ACTIVITY_BUCKETS
    sql = _sql("activity", by_thread=False, bucket_ns=bucket_ns, buckets=_ACTIVITY_BUCKETS, **times)
    for bucket, count, failures in trace.query(sql, lazy=True).source:
        calls[bucket], failed[bucket] = count, failures
    return {"ns": bucket_ns, "calls": calls, "failed": failed}


def _buckets(
    trace: Trace, times: dict[str, Any], length_ns: int, of_thread: dict[tuple[int, int], int], room: Room
) -> dict[str, Any]:
    """Calls and failures by lane and time, where there are any."""
    number = min(max(room.buckets // max(len(of_thread), 1), 20), 2_000)
    bucket_ns = max(-(-length_ns // number), 1)
    found: dict[str, Any] = {"ns": bucket_ns, "lane": [], "bucket": [], "calls": [], "failed": []}
    sql = _sql("activity", by_thread=True, bucket_ns=bucket_ns, buckets=number, **times)
    for pid, tid, bucket, count, failures in trace.query(sql, lazy=True).source:
        lane = of_thread.get((pid, tid))
        if lane is not None:
            for name, value in (("lane", lane), ("bucket", bucket), ("calls", count), ("failed", failures)):
                found[name].append(value)
    return found


def _sql(name: str, **values: Any) -> str:
    return render_text(_template(name), **values)


@cache
def _template(name: str) -> str:
    return files("bpfrec.analyze.page").joinpath("sql", f"{name}.sql").read_text("utf-8")

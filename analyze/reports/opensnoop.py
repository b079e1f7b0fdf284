"""opensnoop: every open of a file."""

from __future__ import annotations

from functools import reduce
from operator import or_

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.formats.kernel.open_flags import OPEN_FLAGS
from bpfrec.formats.kernel.roles import calls_that

FAMILY = calls_that("opens")
"""The system calls that open a file by its path."""

_ACCESS_MODE = OPEN_FLAGS["O_ACCMODE"]
_CREAT_FLAGS = OPEN_FLAGS["O_CREAT"] | OPEN_FLAGS["O_WRONLY"] | OPEN_FLAGS["O_TRUNC"]
_CREATING_FLAGS = OPEN_FLAGS["O_CREAT"] | (OPEN_FLAGS["O_TMPFILE"] & ~OPEN_FLAGS["O_DIRECTORY"])


def compute(
    trace: Queries,
    *,
    pid: int | None = None,
    tid: int | None = None,
    uid: int | None = None,
    name: str | None = None,
    failed: bool = False,
    flags: list[int] | None = None,
    duration_s: float | None = None,
) -> Result:
    """Every call of open, openat, openat2 and creat that returned, in the order in which they returned.

    ``name``: only threads whose name contains it; ``failed``: only those that failed; ``flags``: only those with one
    bit at least of any of them set; ``duration_s``: only those that returned in so many seconds from the start.
    Columns: event_id, ts, time_s, pid, tid, comm, uid, syscall, ret, errno, flags, mode, path, path_status.
    """
    chosen = conditions(pid=pid, tid=tid, uid=uid)
    if flags:
        mask = reduce(or_, flags)
        chosen.append(Fragment(f"flags & {literal(mask)} != 0"))
    if duration_s is not None:
        end_ns = trace.manifest.start_ns + round(duration_s * 1e9)
        chosen.append(Fragment(f"ts_ns + duration_ns <= {literal(end_ns)}"))
    shown = comm_contains(name) + ([Fragment("failed(ret)")] if failed else [])
    sql = render(
        "opensnoop",
        family=list(FAMILY),
        creat_flags=_CREAT_FLAGS,
        creating_flags=_CREATING_FLAGS,
        where=where(chosen),
        shown=where(shown),
    )
    recorded = [call for call in FAMILY if trace.manifest.syscalls.get(call)]
    notes = [f"open: matched {', '.join(recorded)}" if recorded else f"the trace has no call of {', '.join(FAMILY)}"]
    unfinished = f"SELECT count(*) FROM syscalls WHERE syscall IN {literal(list(FAMILY))} AND ret IS NULL"  # noqa: S608 - only literals
    if count := trace.query(f"{unfinished} AND {where(conditions(pid=pid, tid=tid, uid=uid))}").rows[0][0]:
        notes.append(f"opens that never returned, which are not shown: {count}")
    return trace.query(sql, notes, lazy=True)

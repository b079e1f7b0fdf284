"""stacks: calls, time or failures by call path."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.views.stack_text import MODULE, NAMES_ITS_LINE, function_name
from bpfrec.formats.errors import ReportError

MEASURES = {"calls": "calls", "time": "total_ns", "failures": "failures"}
"""What can be counted, and the column that has it."""


def compute(
    trace: Queries,
    *,
    pid: int | None = None,
    tid: int | None = None,
    uid: int | None = None,
    name: str | None = None,
    syscall: str | None = None,
    failed: bool = False,
    by: str = "calls",
    lines: bool = False,
    top: int = 10,
) -> Result:
    """Call paths, those with the most calls first, or the most time or failures: ``by`` calls, time or failures.

    ``failed``: only calls that failed; ``lines``: by source line where it is known, not by function alone; ``top``:
    so many rows, 0 for all. A path is its functions and their modules: the same in every process.
    Columns: syscall, calls, failures, total_ns, share (percent of ``by``), status, frames. Notes count the calls that
    have no stack, and say why.

    Raises:
        ReportError: there is no such measure.
    """
    if by not in MEASURES:
        raise ReportError(f"stacks are not counted by {by}", f"There are: {', '.join(MEASURES)}")
    chosen = chosen_calls(pid=pid, tid=tid, uid=uid, name=name, syscall=syscall, failed=failed)
    bracketed = f"CASE WHEN starts_with({MODULE}, '[') THEN {MODULE} ELSE '[' || {MODULE} || ']' END"
    module = f"CASE WHEN shown IS NOT NULL AND NOT {NAMES_ITS_LINE} THEN ' ' || {bracketed} END"
    sql = render(
        "stacks",
        where=where(chosen),
        frame=Fragment(f"concat({function_name(lines)}, {module})"),
        measure=Fragment(MEASURES[by]),
        only_measured=by == "failures",
        top=top,
    )
    return trace.query(sql, missing_notes(trace, chosen, by), lazy=True)


def chosen_calls(
    *, pid: int | None, tid: int | None, uid: int | None, name: str | None, syscall: str | None, failed: bool
) -> list[Fragment]:
    """The conditions on ``syscalls`` of what is counted by call path."""
    chosen = conditions(pid=pid, tid=tid, uid=uid, syscall=syscall) + comm_contains(name)
    return chosen + ([Fragment("failed(ret)")] if failed else [])


def missing_notes(trace: Queries, chosen: list[Fragment], by: str = "calls") -> list[str]:
    """What is not counted among the chosen calls: those without a stack, and for times those without an end."""
    counted = [*chosen, Fragment("failed(ret)")] if by == "failures" else chosen
    query = f"""
        SELECT
            CASE WHEN stack_id IS NOT NULL THEN NULL ELSE coalesce(
                stack_status, CASE WHEN ret IS NULL THEN 'did not return' ELSE 'none was asked for' END
            ) END AS reason,
            count(*) AS calls,
            count(*) FILTER (duration_ns IS NULL) AS endless
        FROM syscalls
        WHERE {where(counted)}
        GROUP BY reason
        ORDER BY calls DESC, reason
    """  # noqa: S608 - only literals
    rows = trace.query(query).rows
    without = [(reason, calls) for reason, calls, _ in rows if reason is not None]
    notes = []
    if without:
        what = "failed calls" if by == "failures" else "calls"
        missing, total = sum(calls for _, calls in without), sum(calls for _, calls, _ in rows)
        reasons = ", ".join(f"{_reason(trace, reason)} {calls}" for reason, calls in without)
        notes.append(f"no stack was recorded with {missing} of {total} {what}, which are not counted: {reasons}")
    endless = sum(number for reason, _, number in rows if reason is None)
    if endless and by == "time":
        notes.append(f"calls with a stack that did not return, whose time is not known: {endless}")
    return notes


def _reason(trace: Queries, reason: str) -> str:
    configuration = trace.manifest.configuration
    if reason != "none was asked for":
        return reason
    if configuration.get("stacks") == "off":
        return "--stacks off"
    choice = configuration.get("stack_on")
    return f"{reason} (--stack-on {','.join(map(str, choice))})" if isinstance(choice, list) and choice else reason

"""files: what was done with every file."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import identifier, render
from bpfrec.formats.kernel.roles import calls_that

SORTS = {
    "time": "total_ns",
    "calls": "calls",
    "opens": "opens",
    "failures": "failures",
    "read": "bytes_read",
    "written": "bytes_written",
}
"""What the files can be sorted by, and the column that is."""


def compute(
    trace: Queries,
    *,
    pid: int | None = None,
    tid: int | None = None,
    name: str | None = None,
    sort: str = "time",
    top: int = 0,
) -> Result:
    """Opens, failures, bytes and time by file, by the name it is resolved to, else by the path as passed.

    ``sort``: of :data:`SORTS`, the most first; ``top``: only so many, 0: all. Columns: opens, failures, bytes_read,
    bytes_written, calls, total_ns, processes, path, resolved.
    """
    chosen = conditions(pid=pid, tid=tid) + comm_contains(name)
    return trace.query(
        render(
            "files",
            where=where(chosen),
            opening=calls_that("opens"),
            reading=calls_that("reads", "copies"),
            writing=calls_that("writes", "copies_back"),
            reading_second=calls_that("copies_back"),
            writing_second=calls_that("copies"),
            sort=identifier(SORTS[sort]),
            top=top,
        ),
        lazy=True,
    )

"""What one trace has that another lacks."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render_text
from bpfrec.analyze.reports import startup
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.manifest import Manifest

if TYPE_CHECKING:
    from bpfrec.analyze.facade import Trace

RATIO = 2.0
"""How many times as often, or as long, something has to be to be told."""

_COLUMNS = {
    "section": "VARCHAR",
    "what": "VARCHAR",
    "a_calls": "BIGINT",
    "b_calls": "BIGINT",
    "a_ns": "BIGINT",
    "b_ns": "BIGINT",
    "ratio": "DOUBLE",
}

_MADE_UP = (
    # The process that asks, in /proc.
    ("^/proc/[0-9]+", "/proc/*"),
    # Names that are made for once, by their letters, capitals and digits.
    (r"^((?:/var)?/tmp|/dev/shm)/([^/]*\.)?[A-Za-z0-9_-]*(?:[0-9]|[a-z][A-Z])[A-Za-z0-9_-]*", r"\1/*"),
    # Inodes, ids, times.
    ("[0-9]{4,}", "*"),
)
"""Parts of names that differ between two runs of one program, and what stands for them."""


def compare(
    a: Trace, b: Trace, calls: CallFilter | None = None, *, ratio: float = RATIO, exact: bool = False
) -> Result:
    """What differs between the traces ``a`` and ``b``, of the calls that ``calls`` chooses in each.

    How often something is done counts by time where the recordings are not those of a command from its start to its
    end. ``ratio``: what both have is told if one has it that many times as often, or takes that many times as long.
    ``exact``: numbers in names count; otherwise temporary names, and numbers of four digits and more, are ``*``.
    Columns: section, what, a_calls, b_calls, a_ns, b_ns, ratio; those of ``difference.sql``.

    Raises:
        BpfrecError: a trace is damaged, or a filter cannot be read.
    """
    import duckdb  # noqa: PLC0415

    chosen = calls or CallFilter()
    by_time = not (is_whole(a.manifest) and is_whole(b.manifest))
    lengths = [_length_s(trace.manifest) if by_time else 1.0 for trace in (a, b)]
    sql = [_aspects(trace, chosen, exact) for trace in (a, b)]
    with duckdb.connect() as connection:
        for name, trace, question in zip("ab", (a, b), sql, strict=True):
            connection.register(name, trace.arrow(question))
        query = render_text(_bundled("difference"), a_length=lengths[0], b_length=lengths[1], ratio=ratio)
        rows = connection.execute(query).fetchall()
    notes = [f"{trace.path}: {note}" for trace in (a, b) for note in trace.loss_notes()]
    return Result(list(_COLUMNS), list(_COLUMNS.values()), rows, sql[0], notes)


def is_whole(manifest: Manifest) -> bool:
    """Whether a recording is that of a command from its start to its end."""
    return manifest.command is not None


def _length_s(manifest: Manifest) -> float:
    return max(manifest.stop_ns - manifest.start_ns, 1) / 1e9


def _aspects(trace: Trace, calls: CallFilter, exact: bool) -> str:
    def folded(column: str) -> Fragment:
        sql = column
        for pattern, stands in () if exact else _MADE_UP:
            sql = f"regexp_replace({sql}, '{pattern}', '{stands}', 'g')"
        return Fragment(sql)

    # Processes have neither calls nor failures.
    processes = replace(calls, tids=(), syscalls=(), failed=False, paths=(), since=None, until=None)
    return render_text(
        _bundled("aspects"),
        where=calls.where(trace.manifest),
        processes=processes.where(trace.manifest),
        executing=calls_that("executes"),
        opening=calls_that("opens"),
        startup=Fragment(startup.compute(trace, calls).sql),
        folded=folded,
    )


def _bundled(name: str) -> str:
    return files("bpfrec.analyze.compare").joinpath(f"{name}.sql").read_text("utf-8")

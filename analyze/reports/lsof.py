"""lsof: what processes had open at a time of the recording."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.names.kinds import CWD, ROOT
from bpfrec.analyze.render.text_columns import TextColumn
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.opened import NOT_OFFERED, REFUSES, at_option, opened
from bpfrec.analyze.reports.option_types import limit_option
from bpfrec.analyze.reports.report import Report, in_columns


def compute(trace: Queries, calls: CallFilter, *, at: str | float | None = None, top: int = 0) -> Result:
    """The descriptors, working and root directories that processes had at ``at``, by process and number.

    ``at``: a moment as of :func:`~bpfrec.analyze.reports.moments.moment_sql`; None for the end of the recording.
    The filter chooses processes by pid, thread, user and name, and what is open by its name (``path``).
    ``top``: at most this many rows, 0 for all.
    Columns: pid, comm, uid, fd, descriptor, kind, name.
    """
    return opened(trace, calls, "lsof", at, top, cwd=CWD, root=ROOT)


_COLUMNS = (
    TextColumn("COMMAND", "comm"),
    TextColumn("PID", "pid"),
    TextColumn("UID", "uid"),
    TextColumn("FD", "descriptor"),
    TextColumn("TYPE", "kind"),
    TextColumn("NAME", "name"),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(at_option(), limit_option()),
    flags=NOT_OFFERED,
    refuses=REFUSES,
    empty="nothing is known to be open then",
    help="""List what processes had open at a time of the recording, as lsof does: descriptors, cwd and root (rtd).

    It is what was open when recording began, and what the calls did since. What the trace cannot tell is left out, and
    a name that is not known is "-".""",
)

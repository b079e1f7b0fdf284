"""filelife: files that were made and removed within the recording."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, clock, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.snoop import flag, in_lines, snoop, snoop_report


def compute(trace: Queries, calls: CallFilter, *, duration_s: float | None = None, top: int = 0) -> Result:
    """Files that were opened with O_CREAT and later removed, by the time of their end.

    The filter is for the call that removed them. ``duration_s``: only the first so many seconds. ``top``: at most this
    many rows, 0 for all.
    Columns: event_id, ts, pid, comm, age_s, file.
    """
    return snoop(trace, calls, "filelife", duration_s=duration_s, top=top)


REPORT = snoop_report(
    compute,
    in_lines(
        Field("TIME", -8, clock("ts")),
        Field("PID", -7, "pid"),
        Field("COMM", -16, "comm"),
        Field("AGE(s)", -7, decimals("age_s", 2)),
        Field("FILE", 0, lambda row: str(row["file"]).rpartition("/")[2], gap="", when="only_name"),
        Field("FILE", 0, "file", gap="", when="full_path"),
    ),
    """Print short-lived files, which were made and removed within the recording, as bcc's filelife does.

    A file counts as made when it is opened with O_CREAT. A call does not tell whether it was there before, so AGE
    can be too short. The process is the one that removed it. -F shows absolute names.""",
    options=(flag(["-F", "--full-path"], "Show absolute names."),),
    settle=lambda options: options | {"only_name": not options["full_path"]},
)

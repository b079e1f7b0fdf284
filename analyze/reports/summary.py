"""summary: one page about a trace."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render


def compute(trace: Queries, *, top: int = 5) -> Result:
    """The recording, its ``top`` processes, calls and failures, and all that is missing.

    Columns: section, name, value, detail, all of them text.
    """
    return trace.query(render("summary", top=top))

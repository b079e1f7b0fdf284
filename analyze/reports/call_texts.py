"""Single calls in words, for reports that show some of them."""

from __future__ import annotations

from collections.abc import Sequence

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.views.library import without_most_unknown


def call_texts(trace: Queries, chosen: str) -> Fragment:
    """SQL with the columns event_id and call: each call of ``chosen`` as strace would write it.

    ``chosen`` is SQL with a column event_id; it runs once, to find out which system calls there are. The SQL that is
    returned reads the same calls from a CTE that is called ``chosen``.
    """
    found = trace.query(
        "SELECT DISTINCT syscall FROM syscalls WHERE abi = 'x86_64' AND syscall IS NOT NULL"  # noqa: S608 - ours
        f" AND event_id IN (SELECT event_id FROM ({chosen})) ORDER BY syscall"
    )
    return Fragment(render("call_texts", **call_words([name for (name,) in found.rows])))


def call_words(names: Sequence[str], span: Fragment | None = None) -> dict[str, Fragment]:
    """Values for a template, which has a CTE ``chosen`` with a column event_id.

    ``rows``: event_id and call_text of chosen calls that have one of ``names``; ``words``: what strace would write of a
    row ``s`` of syscalls, in a query that joins these as ``texts`` where there are any. ``span``: a condition on ts_ns
    that all chosen calls meet, so that others are not read.

    Each name takes a view, and a hostile trace has hundreds of thousands that no kernel has: most are left out.
    """
    rows = render("call_rows", names=without_most_unknown(names), span=span)
    return {"rows": Fragment(rows), "words": Fragment(render("call_words"))}

"""One question to one trace: its rows, and a row that says how it went.

This is all that a runner needs, whichever machine it runs on: :func:`ask` takes what can be pickled and gives what can.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.facade import Trace
from bpfrec.formats.errors import BpfrecError, TraceFileError
from bpfrec.formats.remote.uri import trace_place

OK, REFUSED, UNREADABLE, FAILED, TIMED_OUT, DIED = "ok", "refused", "unreadable", "failed", "timed-out", "died"
"""How a question went: answered; the trace cannot answer it; the trace cannot be read; another failure; it took longer
than it may; its process was killed, as the kernel does where memory ends.
"""


@dataclass(frozen=True)
class Question:
    """``report``: the name of a report, with ``options`` as :meth:`.Trace.report` takes them; else ``sql`` is a
    query.
    """

    report: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    sql: str = ""


@dataclass(frozen=True)
class Status:
    """How the question to ``trace`` went. ``message``: what failed, or what a reader of the rows has to know.

    ``bytes_read`` and ``requests`` count what was read of a trace that is elsewhere.
    """

    trace: str
    status: str
    message: str = ""
    rows: int = 0
    bytes_read: int = 0
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Answer:
    """``result``: the rows, whose first column ``trace`` is the name of the trace; None if there are none to be had."""

    status: Status
    result: Result | None = None


def ask(trace: str, question: Question) -> Answer:
    """Asks one trace. Failures are a status, never an exception."""
    begin = time.monotonic()
    reads = (0, 0)
    shown = str(trace_place(trace))
    try:
        with Trace(trace) as opened:
            try:
                result = _answer(opened, question)
            finally:
                reads = opened.reads
    except (BpfrecError, OSError, MemoryError) as error:
        state = UNREADABLE if isinstance(error, TraceFileError) else FAILED
        message = error.message if isinstance(error, BpfrecError) else str(error) or "out of memory"
        return Answer(Status(shown, state, message, 0, *reads, time.monotonic() - begin))
    state = REFUSED if result.refused else OK
    status = Status(shown, state, "; ".join(result.notes), len(result.rows), *reads, time.monotonic() - begin)
    rows: list[Row] = [(shown, *row) for row in result.rows]
    return Answer(status, Result(["trace", *result.columns], ["VARCHAR", *result.types], rows, result.sql))


def _answer(trace: Trace, question: Question) -> Result:
    # Many traces are asked at a time.
    trace.execute("SET threads = 1")
    if question.report is not None:
        return trace.report(question.report, **question.options)
    result = trace.query(question.sql)
    result.notes[:0] = trace.loss_notes()
    return result

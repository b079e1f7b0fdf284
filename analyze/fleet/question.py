"""One question to one trace: its rows, and a row that says how it went.

This is all that a runner needs, whichever machine it runs on: :func:`ask` takes what can be pickled and gives what can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.fleet.kept_rows import kept
from bpfrec.formats.errors import BpfrecError, TraceFileError
from bpfrec.formats.remote.uri import trace_place

OK, REFUSED, UNREADABLE, FAILED, TIMED_OUT, DIED = "ok", "refused", "unreadable", "failed", "timed-out", "died"
UNASKED = "unasked"
"""How a question went: answered; the trace cannot answer it; the trace cannot be read; another failure, also for want
of memory; it took longer than it may; its process was killed, as the kernel does where memory ends; the user ended it
before.
"""

_TOO_LARGE = "this takes more memory than is allowed; BPFREC_MEMORY_LIMIT allows more"


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
    """``result``: the rows, whose first column ``trace`` is the name of the trace; None if there are none to be had.

    Many rows are in a file: they can be read once.
    """

    status: Status
    result: Result | None = None


def ask(trace: str, question: Question, folder: Callable[[], Path] | None = None) -> Answer:
    """Asks one trace. Failures are a status, never an exception.

    ``folder``: gives the folder for the rows of an answer that has many of them; None: they stay in memory.
    """
    begin = time.monotonic()
    reads = (0, 0)
    shown = str(trace_place(trace))
    try:
        with Trace(trace) as opened:
            try:
                result = _answer(opened, question)
                count, rows = kept(((shown, *row) for row in result), folder)
            finally:
                reads = opened.reads
    except Exception as error:
        state = UNREADABLE if isinstance(error, TraceFileError) else FAILED
        return Answer(Status(shown, state, _said(error), 0, *reads, time.monotonic() - begin))
    state = REFUSED if result.refused else OK
    status = Status(shown, state, "; ".join(result.notes), count, *reads, time.monotonic() - begin)
    return Answer(status, Result(["trace", *result.columns], ["VARCHAR", *result.types], rows, result.sql))


def _said(error: Exception) -> str:
    if isinstance(error, BpfrecError):
        return error.message
    if isinstance(error, MemoryError):
        return _TOO_LARGE
    if isinstance(error, OSError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _answer(trace: Trace, question: Question) -> Result:
    # Many traces are asked at a time.
    trace.execute("SET threads = 1")
    if question.report is not None:
        return trace.report(question.report, lazy=True, **question.options)
    notes = trace.loss_notes()
    result = trace.query(question.sql, lazy=True)
    result.notes[:0] = notes
    return result

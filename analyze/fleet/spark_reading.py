"""What the Spark data source ``bpfrec`` reads: which traces, which columns, which rows. Nothing here needs Spark."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from bpfrec.analyze.engine.sqltemplate import identifier
from bpfrec.analyze.fleet.index import chosen_traces
from bpfrec.analyze.fleet.question import OK, Question, ask
from bpfrec.analyze.fleet.spark_runner import task_pool
from bpfrec.analyze.fleet.spark_types import FAILURE, batches, ddl, failure_batch
from bpfrec.formats.errors import BpfrecError

OPTIONS = ("path", "where", "view", "columns", "sql", "report", "options", "failures", "timelimit")
_VIEW = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_PROBED = 20
"""So many traces are asked for their columns until one gives an answer."""
_TASKS = 32
_LEAST_TRACES, _MOST_TRACES = 8, 256


@dataclass(frozen=True)
class Wanted:
    """What the options of the data source want: the traces of ``place`` (as of ``--fleet``) for which ``where`` holds,
    and of each the answer to ``question``.

    ``has_failures``: a trace without an answer is a row with its name and the column ``failure``; else it is an error.
    """

    place: str
    where: str | None
    question: Question
    has_failures: bool
    time_limit_s: float

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Wanted:
        """Those that ``options`` say: ``path`` and one of ``view``, ``sql`` and ``report``.

        Raises:
            BpfrecError: an option is missing, unknown, or has a value that it cannot have.
        """
        given = {name.lower(): value for name, value in options.items()}
        unknown = sorted(set(given) - set(OPTIONS))
        if unknown:
            raise BpfrecError(f"bpfrec has no option {unknown[0]}", f"It has {', '.join(OPTIONS)}.")
        if "path" not in given:
            raise BpfrecError("no traces are named", "Name them: load(PLACE), an index, a folder or a prefix.")
        if sum(name in given for name in ("view", "sql", "report")) > 1:
            raise BpfrecError("view, sql and report are three questions", "Give one of them.")
        failures = given.get("failures", "error")
        if failures not in ("error", "rows"):
            raise BpfrecError(f"failures is {failures!r}", "It is error or rows.")
        try:
            limit = float(given.get("timelimit", "600"))
            more = json.loads(given.get("options", "{}"))
        except ValueError as error:
            raise BpfrecError(f"an option has a wrong value: {error}") from None
        return cls(given["path"], given.get("where"), _question(given, more), failures == "rows", limit)


def _question(given: Mapping[str, str], options: dict[str, Any]) -> Question:
    if "report" in given:
        return Question(given["report"], options)
    if "sql" in given:
        return Question(sql=given["sql"])
    view = given.get("view", "syscalls")
    if not _VIEW.fullmatch(view):
        raise BpfrecError(f"{view!r} is the name of no view", "bpfrec analyze schema lists them.")
    columns = [name.strip() for name in given.get("columns", "").split(",") if name.strip()]
    return Question(sql=f"SELECT {', '.join(map(identifier, columns)) or '*'} FROM {view}")  # noqa: S608 - checked


class Reading:
    """Reads what is ``wanted``. It is pickled on its way to the tasks.

    Raises:
        BpfrecError: there are no such traces, or none of the first ones gives an answer.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._traces = chosen_traces(wanted.place, wanted.where)
        if not self._traces:
            raise BpfrecError(f"{wanted.place}: no trace is chosen", "Look at the index, or name another place.")
        self._columns, self._types = self._probed()

    @property
    def columns(self) -> list[str]:
        """``trace``, those of the answers, and ``failure`` where failures are rows."""
        return [*self._columns, FAILURE] if self._wanted.has_failures else self._columns

    def ddl(self) -> str:
        """The columns in Spark's words."""
        return ddl(self.columns, [*self._types, "VARCHAR"] if self._wanted.has_failures else self._types)

    def partitions(self) -> list[list[str]]:
        """The names of traces that each task asks."""
        traces = self._traces
        size = min(max(len(traces) // _TASKS, _LEAST_TRACES), _MOST_TRACES)
        return [traces[at : at + size] for at in range(0, len(traces), size)]

    def read(self, traces: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of ``traces``.

        Raises:
            BpfrecError: a trace has no answer, and failures are no rows.
        """
        wanted = self._wanted
        pool = task_pool(os.cpu_count() or 1)
        for answer in pool.ask(traces, wanted.question, wanted.time_limit_s):
            status, result = answer.status, answer.result
            message = "" if status.status == OK else f"{status.status}: {status.message}"
            if result is not None and (result.columns, result.types) != (self._columns, self._types):
                message, result = "failed: the answer has other columns than that of another trace", None
            if message and not wanted.has_failures:
                raise BpfrecError(
                    f"{status.trace}: {message}", "option('failures', 'rows') makes a row of it instead of an error."
                )
            if result is not None:
                yield from batches(result, len(self._columns) + wanted.has_failures)
            if message:
                yield failure_batch(self._columns, self._types, status.trace, message)

    def _probed(self) -> tuple[list[str], list[str]]:
        question = self._wanted.question
        if question.report is None:
            sql = question.sql.rstrip().rstrip(";")
            question = replace(question, sql=f"SELECT * FROM ({sql}\n) LIMIT 0")  # noqa: S608 - the user's
        message = ""
        for trace in self._traces[:_PROBED]:
            answer = ask(trace, question)
            if answer.result is not None:
                return answer.result.columns, answer.result.types
            message = message or answer.status.message
        raise BpfrecError(message)

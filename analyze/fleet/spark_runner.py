"""Asks many traces with Apache Spark: each task asks some of them, as :mod:`.local_runner` does on this machine.

Spark is imported when it is first used. bpfrec has to be installed where its tasks run.
"""

from __future__ import annotations

import os
import pickle
import sys
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import Any

import pyarrow as pa

from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.engine.session import MEMORY_VARIABLE
from bpfrec.analyze.fleet.local_runner import LocalPool
from bpfrec.analyze.fleet.memory import limit_of_each
from bpfrec.analyze.fleet.question import FAILED, Answer, Question, Status
from bpfrec.analyze.fleet.threads import in_threads
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.imports import allow_import
from bpfrec.formats.remote.uri import trace_place

SCHEMA = pa.schema(
    [
        ("trace", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("rows", pa.int64()),
        ("bytes_read", pa.int64()),
        ("requests", pa.int64()),
        ("seconds", pa.float64()),
        ("part", pa.binary()),
    ]
)
"""What a task gives: rows with a ``part`` of an answer, and behind them one with the ``status``.

A part has rows as Python has them, for Spark's types would change them: it has no unsigned integers and no nanoseconds.
"""
_DDL = (
    "trace string, status string, message string, rows long, bytes_read long, requests long, seconds double, "
    "part binary"
)
_ROWS_AT_ONCE = 4096
_ROUNDS = 4
"""Each CPU gets so many tasks, one after the other, so that none waits long for the others at the end."""
_MOST_TRACES = 256
"""So many traces are asked by one task."""


def run_spark(
    traces: Sequence[str], question: Question, *, jobs: int | None, time_limit_s: float
) -> Generator[Answer, None, None]:
    """The answers of ``traces``, in no particular order, as :func:`.run_local` gives them.

    ``jobs``: how many tasks run at a time; None: as many as Spark has places for. The session is the one that is
    there, or one that the environment describes.

    Raises:
        BpfrecError: Spark is not installed, or cannot be started.
    """
    session, is_ours = _session(jobs)
    at_a_time = jobs or session.sparkContext.defaultParallelism
    size = min(max(len(traces) // (at_a_time * _ROUNDS), 1), _MOST_TRACES)
    groups = [traces[at : at + size] for at in range(0, len(traces), size)]
    tag = f"bpfrec-{uuid.uuid4()}"
    task = asking(question, time_limit_s, os.environ.get(MEMORY_VARIABLE, ""), at_a_time)

    def ask(group: Sequence[str]) -> Iterable[Answer]:
        session.addTag(tag)
        try:
            frame = session.createDataFrame([(trace,) for trace in group], "trace string")
            return unpacked(frame.coalesce(1).mapInArrow(task, _DDL).toArrow().to_batches())
        except Exception as error:  # one task must not end the question to the others
            message = f"Spark: {str(error).strip().partition(chr(10))[0] or type(error).__name__}"
            return [Answer(Status(str(trace_place(trace)), FAILED, message)) for trace in group]

    answering = in_threads(ask, groups, at_a_time)
    finished = False
    try:
        for answers in answering:
            yield from answers
        finished = True
    finally:
        answering.close()
        if not finished:
            with suppress(Exception):
                session.interruptTag(tag)
        if is_ours:
            session.stop()


def asking(
    question: Question, time_limit_s: float, memory: str, shares: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that Spark's ``mapInArrow`` calls with batches of names of traces (column ``trace``). It gives
    batches of :data:`SCHEMA`.

    ``memory``: the user's limit for a question; '': the ``shares`` part of half of the machine's.
    """

    def ask_all(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        traces = [trace for batch in batches for trace in batch.column("trace").to_pylist()]
        if memory:
            os.environ[MEMORY_VARIABLE] = memory
        for answer in task_pool(shares).ask(traces, question, time_limit_s):
            yield from packed(answer)

    return ask_all


@cache
def task_pool(shares: int) -> LocalPool:
    """What asks traces in a process of Spark's, one at a time: a process that can be killed and replaced. It stays for
    the next task, and ends with the process.

    Spark itself would try a task again whose process has died, three times, and then give up. ``shares``: so many tasks
    share the memory of a machine.
    """
    return LocalPool(1, limit_of_each(shares))


def packed(answer: Answer) -> Iterator[pa.RecordBatch]:
    """The batches of :data:`SCHEMA` for one answer."""
    status, result = answer.status, answer.result
    parts = []
    if result is not None:
        rows = iter(result)
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            yield _batch({"trace": status.trace, "part": pickle.dumps(some, pickle.HIGHEST_PROTOCOL)})
        parts = [pickle.dumps((result.columns, result.types, result.sql), pickle.HIGHEST_PROTOCOL)]
    yield _batch({**vars(status), "part": parts[0] if parts else None})


def unpacked(batches: Iterable[pa.RecordBatch]) -> Iterator[Answer]:
    """The answers that are in batches of :data:`SCHEMA`."""
    parts: list[bytes] = []
    for batch in batches:
        for row in batch.to_pylist():
            part = row.pop("part")
            if row["status"] is None:
                parts.append(part)
                continue
            result = None
            if part is not None:
                # Tasks of our own made them.
                columns, types, sql = pickle.loads(part)  # noqa: S301
                result = Result(columns, types, _Parts(parts), sql)
            yield Answer(Status(**row), result)
            parts = []


class _Parts:
    """Rows that are unpickled some thousand at a time."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[Row]:
        for part in self._parts:
            yield from pickle.loads(part)  # noqa: S301 - as above


def _batch(row: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([row], schema=SCHEMA)


def _session(jobs: int | None) -> tuple[Any, bool]:
    """A session of Spark, and whether it was made here."""
    # The program itself does without it; Spark does not.
    allow_import("pandas")
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise BpfrecError(
            f"Spark needs the module {error.name}", "Install it with: pip install 'bpfrec[spark]'"
        ) from None
    # Spark takes python3 of the PATH, which need not have bpfrec.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    active = SparkSession.getActiveSession()
    if active is not None:
        return active, False
    builder = SparkSession.builder.appName("bpfrec fleet").config("spark.log.level", "ERROR")
    builder = builder.config("spark.ui.showConsoleProgress", "false").config("spark.ui.enabled", "false")
    if jobs is not None and not os.environ.get("PYSPARK_SUBMIT_ARGS"):
        builder = builder.config("spark.default.parallelism", str(jobs))
    try:
        return builder.getOrCreate(), True
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        raise BpfrecError(f"Spark cannot be started: {cause}", "It needs Java 17 (JAVA_HOME).") from None

"""One question to many traces: what is written of the answers, and what is said of how it went."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpfrec.analyze.commands.endings import ending_status
from bpfrec.analyze.commands.output import Output, format_of, note
from bpfrec.formats.errors import BpfrecError

if TYPE_CHECKING:
    from collections.abc import Generator

    from bpfrec.analyze.engine.result import Result
    from bpfrec.analyze.fleet.question import Answer, Question, Status

_CLEAR = "\r\x1b[K"


@dataclass(frozen=True)
class Asking:
    """How traces are asked: ``on`` which runner (local, spark), ``jobs`` at a time (None: as many as there are CPUs),
    each for ``time_limit_s`` at most. ``status_file``: where a row for each trace goes; ``force``: it replaces a file.
    """

    on: str
    jobs: int | None
    time_limit_s: float
    status_file: Path | None
    force: bool = False


class Run:
    """Asks ``traces``. If the user ends it (Ctrl-C, SIGTERM), what was answered until then counts."""

    def __init__(self, traces: Sequence[str], question: Question, asking: Asking) -> None:
        self._traces, self._question, self._asking = traces, question, asking
        self._statuses: list[Status] = []
        self._ending: BaseException | None = None

    def write(self, output: Output) -> None:
        """Writes the rows of all answers as they come, and says how it went; exits with 1 if a trace has no answer."""
        with closing(self._results()) as results:
            try:
                self._write_rows(results, output)
            except (KeyboardInterrupt, SystemExit) as ending:
                self._ending = ending
        self._finish()

    def write_merged(self, sql: str, top: int, output: Output) -> None:
        """Writes the one answer that ``sql`` makes of all, at most ``top`` rows; 0: all. Then as :meth:`write`."""
        from bpfrec.analyze.fleet.merging import merge  # noqa: PLC0415

        with closing(self._results()) as results:
            try:
                merged = merge(sql, results, top)
                if merged.columns and self._ending is None:
                    output.write(merged)
            except (KeyboardInterrupt, SystemExit) as ending:
                self._ending = ending
        if self._ending is not None:
            note("there is no merged answer of a part of the traces")
        self._finish()

    def _results(self) -> Generator[Result, None, None]:
        """The answers with rows, as they come; it ends if the user ends it."""
        progress = Progress(len(self._traces), "asked")
        try:
            with closing(self._answers()) as answers:
                for answer in answers:
                    self._statuses.append(answer.status)
                    progress.clear()
                    if answer.result is not None:
                        yield answer.result
                    progress.show(len(self._statuses))
        except (KeyboardInterrupt, SystemExit) as ending:
            self._ending = ending
        finally:
            progress.clear()

    def _answers(self) -> Generator[Answer, None, None]:
        asking = self._asking
        if asking.on == "spark":
            from bpfrec.analyze.fleet.spark_runner import run_spark  # noqa: PLC0415

            return run_spark(self._traces, self._question, jobs=asking.jobs, time_limit_s=asking.time_limit_s)
        from bpfrec.analyze.fleet.local_runner import run_local  # noqa: PLC0415

        return run_local(self._traces, self._question, jobs=asking.jobs or _cpus(), time_limit_s=asking.time_limit_s)

    @staticmethod
    def _write_rows(results: Iterator[Result], output: Output) -> None:
        from bpfrec.analyze.engine.result import Result  # noqa: PLC0415

        first = next(results, None)
        if first is None:
            return
        columns = first.columns

        def rows() -> Iterator[tuple[Any, ...]]:
            yield from first
            # The next answer may take long.
            sys.stdout.flush()
            for result in results:
                if result.columns != columns:
                    raise BpfrecError(
                        "the answers of two traces have different columns", "Name the columns in the query."
                    )
                yield from result
                sys.stdout.flush()

        output.write(Result(columns, first.types, rows(), first.sql, grows=True))

    def _finish(self) -> None:
        from bpfrec.analyze.fleet.question import OK, UNASKED, Status  # noqa: PLC0415
        from bpfrec.formats.remote.uri import trace_place  # noqa: PLC0415

        statuses, asked = self._statuses, len(self._statuses)
        if self._ending is not None:
            seen = {status.trace for status in statuses}
            shown = (str(trace_place(trace)) for trace in self._traces)
            statuses = [*statuses, *(Status(trace, UNASKED) for trace in shown if trace not in seen)]
        if self._asking.status_file is not None:
            _write_statuses(statuses, self._asking.status_file, self._asking.force)
        lacking = [status for status in statuses if status.status == OK and "lacks" in status.message]
        if lacking:
            note(f"{len(lacking)} of {len(statuses)} traces lack events")
        failed = [status for status in statuses if status.status not in (OK, UNASKED)]
        for status in failed[:3]:
            note(f"{status.status}: {status.message}")
        if failed:
            more = "" if self._asking.status_file else "; --status FILE lists them"
            note(f"{len(failed)} of {asked} traces gave no whole answer{more}")
        if self._ending is not None:
            note(f"ended by a signal: {asked:,} of {len(self._traces):,} traces were asked")
            raise click.exceptions.Exit(ending_status(self._ending))
        if failed:
            raise click.exceptions.Exit(1)


def _write_statuses(statuses: Sequence[Status], path: Path, force: bool) -> None:
    from bpfrec.analyze.engine.result import Result  # noqa: PLC0415

    columns = ["trace", "status", "message", "rows", "bytes_read", "requests", "seconds"]
    types = ["VARCHAR", "VARCHAR", "VARCHAR", "BIGINT", "BIGINT", "BIGINT", "DOUBLE"]
    rows = sorted(astuple(status) for status in statuses)
    Output(format_of(path), False, path, force=force).write(Result(columns, types, rows, ""))


class Progress:
    """A line on the terminal that counts."""

    def __init__(self, total: int, what: str) -> None:
        self.total = total
        self._what = what
        self._is_shown = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def show(self, done: int) -> None:
        """Shows how many are done."""
        if self._is_shown:
            sys.stderr.write(f"{_CLEAR}bpfrec: {done:,} of {self.total:,} traces {self._what}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Removes the line."""
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Traces of segments, one after the other, as one trace that grows while its rows are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401 - it would be loaded when the first calls are there

from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.reports import compute
from bpfrec.formats.manifest import Manifest

_LIMITS = ("top", "max_events")


class GrowingTrace:
    """What a report needs of a trace, for reports whose rows are single calls; ``segments`` are files of traces.

    A segment is asked when the rows of those before it are read. Standard output is flushed before one is waited for.
    """

    def __init__(self, segments: Iterator[Path]) -> None:
        self._segments = segments
        self._trace: Trace | None = None
        self._limit = self._calls = 0
        self.remarks: list[str] = []

    @property
    def manifest(self) -> Manifest:
        """That of the recording so far."""
        manifest = self._current().manifest
        calls = replace(manifest.tables["syscalls"], rows=self._calls)
        return replace(manifest, tables=manifest.tables | {"syscalls": calls})

    def report(self, name: str, /, *, lazy: bool = True, **options: Any) -> Result:  # noqa: ARG002
        """The answer of a report, whose rows come as they are recorded; see :meth:`.Trace.report`.

        A limit holds for all rows together. What was lost is said when the recording is over.
        """
        self._limit = next((options[limit] for limit in _LIMITS if options.get(limit)), 0)
        return self._growing(lambda trace: compute(trace, name, options))

    def query(self, sql: str, notes: Sequence[str] = (), *, lazy: bool = False) -> Result:  # noqa: ARG002
        """The rows of a query, as they are recorded."""
        return self._growing(lambda trace: trace.query(sql, lazy=True))

    def close(self) -> None:
        """Ends the SQL session."""
        if self._trace is not None:
            self._trace.close()

    def _growing(self, ask: Callable[[Trace], Result]) -> Result:
        result = ask(self._current())
        # Notes are about a whole trace: that it has no such call is true of nearly every segment.
        result.notes = result.notes[-result.refused :] if result.refused else []
        result.grows = True
        result.source = self._rows(ask)
        return result

    def _rows(self, ask: Callable[[Trace], Result]) -> Iterator[Row]:
        count = 0
        trace: Trace | None = self._current()
        while trace is not None:
            for row in ask(trace).source:
                yield row
                count += 1
                if count == self._limit:
                    return
            trace = self._next()

    def _current(self) -> Trace:
        return self._trace or self._open(next(self._segments))

    def _next(self) -> Trace | None:
        sys.stdout.flush()
        path = next(self._segments, None)
        if path is None:
            return None
        self.close()
        return self._open(path)

    def _open(self, path: Path) -> Trace:
        self._trace = trace = Trace(path)
        self._calls += trace.manifest.tables["syscalls"].rows
        return trace

"""Runs the command line, in a process of its own or in the test's.

Both give the same answer. A process of its own proves more (what Python starts with, imports, exit codes, the real
streams) and costs half a second, for Python has to import DuckDB: one test of each command has one, and the others
call the program's entry point.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from unittest import mock

import bpfrec.__main__
from bpfrec.analyze.commands import options
from bpfrec.analyze.facade import Trace

Done = subprocess.CompletedProcess[str]


def run_bpfrec(
    *arguments: str | Path,
    stdin: str = "",
    columns: int = 80,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    opened: Trace | None = None,
) -> Done:
    """Runs ``bpfrec`` in this process, as :func:`start_bpfrec` does in another; no stream is a terminal.

    ``opened``: the trace that ``-i`` names, opened already. To open a trace takes longer than most answers, so tests
    that ask a trace everything open it once.
    """
    streams = [io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")]
    streams += [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with (
        _environment(_variables(columns, environment)),
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.multiple(sys, stdin=streams[0], stdout=streams[1], stderr=streams[2]),
        mock.patch.object(sys, "argv", [bpfrec.__main__.__file__, *map(str, arguments)]),
        _main_module(bpfrec.__main__),
        mock.patch.object(options, "Trace", options.Trace if opened is None else lambda *_, **__: nullcontext(opened)),
    ):
        try:
            bpfrec.__main__.main()
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int), code
    out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])  # type: ignore[attr-defined]
    return Done(["bpfrec", *map(str, arguments)], code, out, err)


def start_bpfrec(
    *arguments: str | Path,
    stdin: str = "",
    columns: int = 80,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Done:
    """Runs ``bpfrec`` as a process, in the time zone of nobody here, ``columns`` wide, and waits for its end."""
    command = [sys.executable, "-m", "bpfrec", *map(str, arguments)]
    variables = _variables(columns, environment)
    return subprocess.run(
        command, input=stdin, capture_output=True, encoding="utf-8", env=variables, cwd=cwd, timeout=60, check=False
    )


def _variables(columns: int, more: dict[str, str] | None) -> dict[str, str]:
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in ("BPFREC_TRACE", "BPFREC_MEMORY_LIMIT", "BPFREC_SYMBOLS", "AI_AGENT")
    }
    return kept | {"TZ": "Asia/Kathmandu", "PYTHONUTF8": "1", "COLUMNS": str(columns)} | (more or {})


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    with mock.patch.dict(os.environ, variables, clear=True):
        time.tzset()
        yield
    time.tzset()


@contextlib.contextmanager
def _main_module(module: ModuleType) -> Iterator[None]:
    """Makes ``module`` the main one, of which click takes the program's name."""
    before, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        yield
    finally:
        sys.modules["__main__"] = before

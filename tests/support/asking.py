"""Asks a trace everything that `bpfrec analyze` can be asked, each question in a process of its own with bounds."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import bpfrec.__main__
from bpfrec import analyze
from bpfrec.analyze.reports import REPORTS

_OTHER = Path(__file__).parents[2] / "sample_traces" / "lab1-server.bpfrec"
_CHOSEN: tuple[tuple[str, ...], ...] = (
    ("info",),
    ("schema",),
    ("sql", "SELECT count(*) FROM syscalls"),
    ("sql", "--format", "csv", "FROM syscalls LIMIT 1000"),
    ("sql", "--format", "json", "FROM frames LIMIT 1000"),
    ("sql", "SELECT call_text FROM sys.openat"),
    ("sql", "SELECT stack_text(stack_id) FROM stacks LIMIT 20"),
    ("sql", "FROM processes, threads, losses, recording LIMIT 100"),
    ("report", "summary"),
    ("report", "calls", "-k", "--top", "100"),
    ("report", "syscount", "-L"),
    ("report", "syscount", "-P"),
    ("report", "opensnoop", "-T", "-U", "-e"),
    ("report", "failed-opens"),
    ("report", "failures"),
    ("report", "latency"),
    ("report", "waiting"),
    ("report", "files"),
    ("report", "network", "--format", "csv"),
    ("report", "processes", "-c", "--full"),
    ("report", "stacks", "-l", "--by", "time"),
    ("report", "stackcount", "c:openat"),
    ("report", "argdist", "-C", "p:c:openat(int d, char *p):char*:p"),
    ("report", "trace", 'p:c:openat "%s", arg2', "-U"),
    ("flamegraph", "--format", "svg"),
    ("flamegraph", "--format", "html", "--samples"),
    ("flamegraph", "--format", "folded", "-l"),
    ("flamegraph", "--format", "speedscope", "--by", "time"),
    ("html", "-o", "/dev/stdout", "--force"),
    ("export", "--format", "pprof", "-o", "/dev/stdout", "--force"),
    ("export", "--format", "perfetto", "-o", "/dev/stdout", "--force"),
    ("export", "--format", "firefox", "-o", "/dev/stdout", "--force"),
    ("compare", str(_OTHER), "--format", "json"),
    ("bpftrace", "-e", "tracepoint:syscalls:sys_enter_openat { @[comm, str(args->filename)] = count(); }"),
    (
        "bpftrace",
        "-e",
        't:syscalls:sys_exit_openat /args->ret < 0/ { @h = hist(args->ret); printf("%s %d", comm, pid); }',
    ),
)


_ASKED = {asked[1] for asked in _CHOSEN if asked[0] == "report"}
QUESTIONS = (*_CHOSEN, *(("report", name) for name in REPORTS if name not in _ASKED))
"""Every command, and every report."""


_OPTIONAL = (f"{analyze.__name__}.agents", f"{analyze.__name__}.fleet.spark_")
"""Modules that need mcp or Spark, which may not be installed."""


@dataclass(frozen=True)
class Answer:
    """How a question ended: exit status (negative: the signal), both outputs, peak memory in bytes, CPU time in s."""

    asked: tuple[str, ...]
    status: int
    out: str
    err: str
    peak_bytes: int
    cpu_s: float


def ask(
    trace: Path,
    asked: tuple[str, ...],
    folder: Path,
    *,
    memory: str,
    address_space: int,
    seconds: int,
    limit: int = 3600,
) -> Answer:
    """The answer of ``analyze -i TRACE ASKED``, with BPFREC_MEMORY_LIMIT ``memory`` and BPFREC_TIME_LIMIT ``limit``.

    The process is forked from this one, which has all imports, because they take longer than an answer. It may use
    ``address_space`` bytes of addresses and ``seconds`` of CPU time, and is killed after three times as long.
    """
    _import_everything()
    out, err = folder / "out", folder / "err"
    pid = os.fork()
    if not pid:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.alarm(3 * seconds)
            _become(trace, asked, out, err, {"BPFREC_MEMORY_LIMIT": memory, "BPFREC_TIME_LIMIT": str(limit)})
        finally:
            os._exit(99)
    _, status, usage = os.wait4(pid, 0)
    return Answer(
        asked,
        os.waitstatus_to_exitcode(status),
        out.read_bytes().decode(errors="surrogateescape"),
        err.read_bytes().decode(errors="surrogateescape"),
        usage.ru_maxrss << 10,
        usage.ru_utime + usage.ru_stime,
    )


@cache
def _import_everything() -> None:
    """Imports what any question imports, once."""
    for module in walk_packages(analyze.__path__, f"{analyze.__name__}."):
        if not module.name.startswith(_OPTIONAL):
            import_module(module.name)
    for name in ("duckdb", "jinja2", "pyarrow.parquet", "rich.console", "rich.table"):
        import_module(name)


def _become(trace: Path, asked: tuple[str, ...], out: Path, err: Path, limits: dict[str, str]) -> None:
    for number, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    for number in (1, 2):
        stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
        setattr(sys, "stdout" if number == 1 else "stderr", stream)
    os.environ.update(limits | {"COLUMNS": "100", "TZ": "UTC"})
    time.tzset()
    sys.argv = ["bpfrec", "analyze", "-i", str(trace), *asked]
    code = 98
    try:
        bpfrec.__main__.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 97
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)

"""Requests to io_uring live: those that bpftrace counts at the same tracepoints, of a program with known requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.beside_bpftrace import LiveScript
from support.live import cannot_run, record_command, rows
from support.program import run_bpfrec

Programs = Callable[..., Path]

SCRIPT = """
tracepoint:io_uring:io_uring_submit_req /comm == "rings"/ { @mine[pid] = 1; @submitted[args->opcode] = count(); }
tracepoint:io_uring:io_uring_complete /@mine[pid] && args->user_data != 1099/ { @completed[args->res] = count(); }
"""
# The last request, 1099, is in progress as the process ends: a thread of the kernel may end it, and not say for whom.
NOPS = 100
KNOWN = [
    ("async_cancel", 1, None, None),
    ("close", 1, None, "made"),
    ("fsync", 1, None, "made"),
    ("nop", NOPS, None, None),
    ("nop", 1, "untold", None),
    ("openat", 1, None, "made"),
    ("openat", 1, None, "such"),
    ("poll_add", 3, None, "unix:"),
    ("read", 5, None, "made"),
    ("read", 1, None, None),
    ("renameat", 1, None, "made"),
    ("unknown_255", 1, "refused", None),
    ("write", 10, None, "made"),
]


@pytest.fixture(autouse=True)
def _uring() -> None:
    if Path("/proc/sys/kernel/io_uring_disabled").read_text().strip() != "0":
        cannot_run("io_uring is disabled: sysctl kernel.io_uring_disabled")


@pytest.mark.alone
def test_bpftrace_counts_the_same_requests(tmp_path: Path, programs: Programs, bpftrace: str) -> None:
    output = tmp_path / "trace.bpfrec"
    judge = LiveScript(bpftrace, SCRIPT)
    judge.wait()
    done = record_command(output, programs("rings"), tmp_path, str(NOPS))
    assert done.returncode == 0, done.stderr
    theirs = judge.stop().maps
    completed = rows(output, "SELECT ret, count(*) FROM uring WHERE ret IS NOT NULL AND user_data != 1099 GROUP BY 1")
    assert {str(ret): count for ret, count in completed} == theirs["@completed"]
    # Of several completions of a request all have a row; the request that was refused was not submitted.
    submitted = "SELECT count(*) FROM uring WHERE status IS DISTINCT FROM 'refused' AND coalesce(cqe_flags, 0) & 2 = 0"
    assert rows(output, submitted) == [(sum(theirs["@submitted"].values()),)]
    assert rows(output, "SELECT kind FROM losses") == []
    # The end of the last read is told as the process ends, or never.
    named = """
        SELECT op, count(*), nullif(status, 'in-progress'), regexp_extract(resolved_path, '[^/]*$') AS name FROM uring
        WHERE user_data != 1099 GROUP BY ALL ORDER BY op, count(*) DESC, name
    """
    assert rows(output, named) == KNOWN
    moved = "SELECT replace(resolved_path2, resolved_path, ''), path, path2 FROM uring WHERE op = 'renameat'"
    assert rows(output, moved) == [(str(tmp_path / "moved"), "made", "moved")]
    last = "SELECT op, starts_with(resolved_path, 'pipe:'), coalesce(errno, status) FROM uring WHERE user_data = 1099"
    assert rows(output, last) in ([("read", True, "ECANCELED")], [("read", True, "in-progress")])
    assert rows(output, "SELECT slot, ret FROM uring WHERE slot IS NOT NULL") == [(0, 1)]
    assert rows(output, "SELECT done_by, duration_ns > 0 FROM uring WHERE op = 'fsync'") == [("worker", True)]
    entered = "SELECT count(*) FROM uring AS r JOIN syscalls AS s ON s.ts_ns = call_ns AND s.tid = r.tid"
    total = rows(output, "SELECT count(*) FROM uring")
    assert rows(output, f"{entered} AND s.syscall = 'io_uring_enter'") == total
    asked = run_bpfrec("analyze", "-i", output, "report", "files", "--path", "*/made", "--format", "json").stdout
    [found] = [row for row in json.loads(asked) if row["path"] == str(tmp_path / "made")]
    assert (found["opens"], found["closes"], found["bytes_read"], found["bytes_written"]) == (1, 1, 170, 170)


@pytest.mark.alone
def test_a_ring_with_a_thread_of_the_kernel(tmp_path: Path, programs: Programs) -> None:
    output = tmp_path / "trace.bpfrec"
    done = record_command(output, programs("rings"), tmp_path, str(NOPS), "poll")
    assert done.returncode == 0, done.stderr
    polled = "SELECT count(*), count(call_ns), bool_and(done_by IS NOT NULL), bool_and(tid != pid) FROM uring"
    assert rows(output, f"{polled} WHERE op = 'nop'") == [(NOPS + 1, 0, True, True)]
    assert rows(output, "SELECT DISTINCT resolved_path FROM uring WHERE op = 'write'") == [(str(tmp_path / "made"),)]

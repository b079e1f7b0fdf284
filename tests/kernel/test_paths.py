"""Paths are whole, and where they are not the trace says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.live import record_command, rows

PATH_MAX = 4096


def made(length: int) -> str:
    return "/nonexistent/".ljust(length, "a")


def test_paths_of_every_awkward_kind(programs: Callable[..., Path], tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    done = record_command(output, programs("paths"), tmp_path)
    assert done.returncode == 0, done.stderr
    calls = rows(
        output,
        "SELECT syscall, path, path_status, path2, path2_status FROM syscalls "
        "WHERE syscall IN ('open', 'openat', 'rename', 'linkat') ORDER BY ts_ns",
    )
    start = next(i for i, call in enumerate(calls) if call[1] == "")
    page = str(tmp_path / "page")
    assert calls[start:] == [
        ("openat", "", None, None, None),
        ("openat", "/nonexistent/café", None, None, None),
        ("openat", "/nonexistent/\\xff\\xfe", "not-utf8", None, None),
        ("openat", "/nonexistent/\x1b[31mred", None, None, None),
        ("open", None, "null", None, None),
        ("open", None, "unreadable", None, None),
        ("openat", made(254), None, None, None),
        ("openat", made(255), None, None, None),
        ("openat", made(256), None, None, None),
        ("openat", made(PATH_MAX - 1), None, None, None),
        ("openat", made(4103), "truncated", None, None),
        ("rename", "/nonexistent/from", None, "/nonexistent/to", None),
        ("linkat", "/nonexistent/old", None, made(1000), None),
        ("rename", "/nonexistent/from", None, None, "null"),
        ("openat", page, None, None, None),
        ("openat", "/nonexistent/not-resident", None, None, None),
    ]

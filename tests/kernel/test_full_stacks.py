"""Full stacks live: which calls have one, calls that do not come back, and paths that look alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.live import record_command, rows

FAST = ("-O2", "-fomit-frame-pointer")
TURNS = 30_000


def test_paths_that_differ_in_one_caller_are_told_apart(programs: Callable[..., Path], tmp_path: Path) -> None:
    trace = tmp_path / "trace.bpfrec"
    record_command(trace, programs("twins", *FAST), str(TURNS))
    mixed = rows(
        trace,
        "SELECT path, symbol, count(*) FROM syscalls JOIN frames USING (stack_id) "
        "WHERE path LIKE '/nonexistent/%' AND symbol IN ('left', 'right') GROUP BY ALL ORDER BY path, symbol",
    )
    assert [row[:2] for row in mixed] == [("/nonexistent/left", "left"), ("/nonexistent/right", "right")]
    counted = rows(
        trace,
        "SELECT path, count(*), count(stack_id) + count(*) FILTER (stack_status = 'capped'), count(DISTINCT stack_id) "
        "FROM syscalls WHERE path LIKE '/nonexistent/%' GROUP BY 1 ORDER BY 1",
    )
    assert counted == [(f"/nonexistent/{name}", TURNS, TURNS, 1) for name in ("left", "right")]
    capped = rows(trace, "SELECT count(*) FROM syscalls WHERE stack_status = 'capped'")
    told = rows(trace, "SELECT coalesce(sum(count), 0)::BIGINT FROM losses WHERE kind = 'stacks-capped'")
    assert capped == told
    assert rows(trace, "SELECT count(stack_id) > 10000 FROM syscalls") == [(True,)], "the paths were not learned"


def test_calls_that_do_not_come_back_have_the_stack_they_were_made_from(
    programs: Callable[..., Path], tmp_path: Path
) -> None:
    trace = tmp_path / "trace.bpfrec"
    program = programs("twins", *FAST)
    done = record_command(trace, "/bin/sh", "-c", f"exec {program} 1", options=["--stack-on", "all"])
    assert done.returncode == 0, done.stderr
    assert rows(
        trace, "SELECT count(*) FROM syscalls WHERE stack_id IS NULL AND stack_status IS DISTINCT FROM 'capped'"
    ) == [(0,)]
    [(execve,)] = rows(
        trace,
        "SELECT list(module ORDER BY depth) FROM syscalls s JOIN frames f USING (stack_id) "
        f"WHERE syscall = 'execve' AND path = '{program}' AND ret = 0",
    )
    assert isinstance(execve, list)
    assert len(execve) > 4
    assert str(execve[-1]).endswith("sh"), "the stack of the program that was executed, not of the one that did it"
    [(symbols,)] = rows(
        trace,
        "SELECT list(symbol ORDER BY depth) FROM syscalls JOIN frames USING (stack_id) WHERE syscall = 'exit_group'",
    )
    assert isinstance(symbols, list)
    assert {"exit", "_start"} <= set(symbols)


def test_the_calls_that_are_chosen_have_stacks(programs: Callable[..., Path], tmp_path: Path) -> None:
    for choice, expected in (
        ("none", set()),
        ("failed", {"openat", "access"}),
        ("brk", {"brk"}),
        ("brk,failed", {"brk", "openat", "access"}),
    ):
        trace = tmp_path / f"{choice}.bpfrec"
        record_command(trace, programs("twins", *FAST), "1", options=["--stack-on", choice])
        [(found,)] = rows(trace, "SELECT list(DISTINCT syscall) FROM syscalls WHERE stack_id IS NOT NULL")
        # What libc asks for besides differs by its version.
        assert set(found or ()) & {"openat", "access", "brk", "mmap", "read"} == expected  # type: ignore[call-overload]

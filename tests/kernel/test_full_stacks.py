"""Full stacks live: which calls have one, calls that do not come back, and paths that look alike."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from support.live import PATIENCE, Recorder, Waiting, line_of, record_command, rows

FAST = ("-O2", "-fomit-frame-pointer")
TURNS = 30_000


def test_stacks_that_differ_in_one_caller_are_told_apart(programs: Callable[..., Path], tmp_path: Path) -> None:
    """While the two stacks are not known, and when they are: then every call has one, which no snapshot could do."""
    trace = tmp_path / "trace.bpfrec"
    workload = Waiting([programs("twins", *FAST), str(TURNS), "wait"])
    stdin, stdout = workload.process.stdin, workload.process.stdout
    assert stdin is not None
    recorder = Recorder(trace, "-vv", "-p", str(workload.pid))
    print("go", file=stdin, flush=True)
    recorder.wait_for("learned [12] stacks: 2 known")
    print("enough", file=stdin, flush=True)
    first = int(line_of(stdout))
    workload.process.communicate(timeout=PATIENCE)
    recorder.wait()
    mixed = rows(
        trace,
        "SELECT path, symbol, count(*) FROM syscalls JOIN frames USING (stack_id) "
        "WHERE path LIKE '/nonexistent/%' AND symbol IN ('left', 'right') GROUP BY ALL ORDER BY path, symbol",
    )
    assert [row[:2] for row in mixed] == [("/nonexistent/left", "left"), ("/nonexistent/right", "right")]
    [(since,)] = rows(trace, "SELECT ts_ns FROM syscalls WHERE syscall = 'getppid'")
    counted = rows(
        trace,
        f"SELECT path, ts_ns > {since} AS known, count(*), count(stack_id) + count(*) FILTER (stack_status = 'capped'),"
        " count(DISTINCT stack_id), count(*) FILTER (stack_status = 'capped' AND known)"
        " FROM syscalls WHERE path LIKE '/nonexistent/%' GROUP BY ALL ORDER BY ALL",
    )
    assert counted == [
        (f"/nonexistent/{name}", is_known, turns, turns, 1, 0)
        for name in ("left", "right")
        for is_known, turns in ((False, first), (True, TURNS))
    ]
    capped = rows(trace, "SELECT count(*) FROM syscalls WHERE stack_status = 'capped'")
    told = rows(trace, "SELECT coalesce(sum(count), 0)::BIGINT FROM losses WHERE kind = 'stacks-capped'")
    assert capped == told


def test_a_new_process_has_the_stacks_that_another_was_learned_from(
    programs: Callable[..., Path], tmp_path: Path
) -> None:
    """At other addresses, for the loader puts program, library and stack elsewhere in each process."""
    trace, program = tmp_path / "trace.bpfrec", programs("twins", *FAST, "-pie", "-fPIE")
    first = Waiting([program, "1", "wait"])
    stdin = first.process.stdin
    assert stdin is not None
    recorder = Recorder(trace, "-vv", "--name", program.name)
    print("go", file=stdin, flush=True)
    recorder.wait_for("learned [12] stacks: 2 known")
    others = [subprocess.Popen([program, str(TURNS)]) for _ in range(2)]
    for other in others:
        other.wait(PATIENCE)
    print("enough", file=stdin, flush=True)
    first.process.communicate(timeout=PATIENCE)
    recorder.stop()
    pids = ", ".join(str(other.pid) for other in others)
    counted = rows(
        trace,
        "SELECT pid, path, count(*), count(stack_id), count(DISTINCT stack_id) FROM syscalls "
        f"WHERE pid IN ({pids}) AND path LIKE '/nonexistent/%' GROUP BY ALL ORDER BY ALL",
    )
    paths = [f"/nonexistent/{name}" for name in ("left", "right")]
    assert counted == [(pid, path, TURNS, TURNS, 1) for pid in sorted(other.pid for other in others) for path in paths]
    named = rows(
        trace,
        "SELECT DISTINCT path, names FROM (SELECT DISTINCT pid, path, stack_id FROM syscalls "
        "WHERE path LIKE '/nonexistent/%') JOIN (SELECT stack_id, list(symbol ORDER BY depth) AS names FROM frames "
        "GROUP BY 1) USING (stack_id) ORDER BY path",
    )
    assert [path for path, _ in named] == paths, "a process has other functions on its stack"
    assert all("main" in names and name in names for (_, names), name in zip(named, ("left", "right"), strict=True))
    addresses = rows(
        trace,
        "SELECT count(DISTINCT ip) FROM frames JOIN (SELECT DISTINCT stack_id FROM syscalls "
        "WHERE path LIKE '/nonexistent/%') USING (stack_id) WHERE depth = 0",
    )
    assert addresses == [(3,)], "the three processes have the library at the same address"


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

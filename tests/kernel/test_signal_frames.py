"""Stacks through signal handlers live: the handler, the trampoline, and the code that was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import record_command, rows

STACKS = (
    "SELECT DISTINCT syscall, string_agg(coalesce(symbol, '?'), ';' ORDER BY frames.depth), any_value(t.status) "
    "FROM syscalls s JOIN frames USING (stack_id) JOIN stacks t USING (stack_id) "
    "WHERE syscall = 'rt_sigreturn' OR path LIKE '/nonexistent/%' GROUP BY event_id, syscall"
)


def interrupted(trace: Path, program: str | Path, *command: str | Path) -> set[tuple[str, str, str]]:
    """Calls, the functions they went through inside to out up to main, and how their stacks end."""
    done = record_command(trace, program, *command, options=["--stack-on", "failed,paths,rt_sigreturn"])
    assert done.returncode == 0, done.stderr
    return {(str(call), str(stack).partition(";main")[0], str(status)) for call, stack, status in rows(trace, STACKS)}


@pytest.mark.parametrize("flags", [("-O2", "-fomit-frame-pointer"), ("-O0", "-static")], ids=" ".join)
def test_the_interrupted_function_is_there(
    programs: Callable[..., Path], tmp_path: Path, flags: tuple[str, ...]
) -> None:
    found = interrupted(tmp_path / "trace.bpfrec", programs("signals", *flags))
    assert {status for _, _, status in found} == {"root"}
    stacks = {(call, stack) for call, stack, _ in found}
    assert ("rt_sigreturn", "__restore_rt;run_here") in stacks
    assert {s.removeprefix("__restore_rt;") for c, s in stacks if c == "rt_sigreturn"} >= {"run_here"}
    waiting = [s.split(";") for c, s in stacks if c == "rt_sigreturn" and "wait_here" in s]
    assert waiting
    assert all(len(s) == 3 and "pause" in s[1] for s in waiting), waiting
    handled = [s.split(";")[1:] for c, s in stacks if c == "openat"]
    assert ["handler", "__restore_rt", "run_here"] in handled
    assert any(s[:2] == ["handler", "__restore_rt"] and s[-1] == "wait_here" for s in handled)


def test_ld_so_begins_at_start(programs: Callable[..., Path], tmp_path: Path) -> None:
    """A program that is linked dynamically begins in ld.so, whose code for that has no size, and may have no symbol."""
    trace = tmp_path / "trace.bpfrec"
    record_command(trace, programs("signals", "-O2"), options=["--stack-on", "failed,paths"])
    roots = rows(
        trace,
        "SELECT DISTINCT last(symbol ORDER BY depth), last(module ORDER BY depth) LIKE '%/ld-linux%' FROM syscalls "
        "JOIN frames USING (stack_id) GROUP BY event_id ORDER BY 2",
    )
    assert roots == [("_start", False), ("_start", True)]

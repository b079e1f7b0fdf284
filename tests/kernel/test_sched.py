"""Times off the CPU live: those that bpftrace counts at the same tracepoint, of a program that waits in known ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.beside_bpftrace import LiveScript
from support.live import record_command, rows
from support.program import run_bpfrec

Programs = Callable[..., Path]

SLEEP_NS = 5_000_000
OPTIONS = ["--kernel-stacks", "--stack-on", "all"]
# Interruptible or not; what ends has neither bit.
SCRIPT = """
tracepoint:sched:sched_switch /args->prev_comm == "sleeping" && (args->prev_state & 3) != 0/ {
    @out[args->prev_pid] = count(); @left[args->prev_pid] = nsecs;
}
tracepoint:sched:sched_switch /args->next_comm == "sleeping" && @left[args->next_pid]/ {
    @off[args->next_pid] = sum(nsecs - @left[args->next_pid]); delete(@left[args->next_pid]);
}
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sched") / "trace.bpfrec"


@pytest.mark.alone
def test_bpftrace_counts_the_same_waits(output: Path, programs: Programs, bpftrace: str) -> None:
    judge = LiveScript(bpftrace, SCRIPT)
    judge.wait()
    done = record_command(output, programs("sleeping"), options=["--force", *OPTIONS])
    assert done.returncode == 0, done.stderr
    theirs = judge.stop().maps
    query = """
        SELECT tid, count(*), sum(duration_ns)::BIGINT FROM sched
        WHERE comm = 'sleeping' AND state NOT IN ('preempted', 'yielded', 'exited') GROUP BY tid
    """
    ours = {str(tid): (count, off) for tid, count, off in rows(output, query)}
    # The child may find each byte already there, on a busy machine, and never wait.
    assert len(ours) >= 2, "the main thread, and the thread that holds the lock"
    for tid, (count, _) in ours.items():
        # bpftrace also sees waits in the execve that gives the name, and after sched_process_exit.
        assert 0 <= theirs["@out"][tid] - count <= 2
    for tid, (_, off) in ours.items():
        assert off == pytest.approx(theirs["@off"][tid], rel=0.05, abs=2_000_000)
    assert rows(output, "SELECT kind FROM losses") == []


def test_what_is_known_of_the_program(output: Path) -> None:
    if not output.exists():
        pytest.skip("nothing was recorded")
    sleeps = "FROM sched WHERE syscall = 'clock_nanosleep' AND blocked_ns IS NOT NULL"
    [(count, total, stacks)] = rows(output, f"SELECT count(*), sum(blocked_ns), count(kernel_stack_id) {sleeps}")
    assert isinstance(count, int)
    assert isinstance(total, int)
    assert 10 <= count <= 21
    assert total >= count * SLEEP_NS
    assert stacks == count, "each sleep is longer than a millisecond"
    [(text,)] = rows(output, f"SELECT DISTINCT stack_text(kernel_stack_id) {sleeps}")
    lines = str(text).splitlines()
    assert lines[0].startswith("__schedule"), "the BPF program is not part of the stack"
    assert any("nanosleep" in line for line in lines)
    waker = """
        SELECT count(*) FROM sched AS waiting JOIN threads AS t ON t.tid = waker_tid
        WHERE syscall = 'futex' AND blocked_ns > 20000000 AND t.comm = 'sleeping' AND waker_tid != waiting.tid
    """
    assert rows(output, waker) == [(1,)], "the thread that held the lock woke the one that waited"
    ended = "SELECT run_ns, user_ns + system_ns FROM sched WHERE state = 'exited' ORDER BY run_ns DESC LIMIT 1"
    [(run, charged)] = rows(output, ended)
    assert isinstance(run, int)
    assert run >= 100_000_000
    assert isinstance(charged, int)
    assert 0 < charged < 1.5 * run + 40_000_000, "the kernel counts by ticks, which a busy host delays"
    text = run_bpfrec("analyze", "-i", output, "report", "offcpu", "--by", "stack", "--syscall", "futex").stdout
    assert "futex_wait" in text
    assert "wait_for_lock [sleeping]" in text
    folded = run_bpfrec("analyze", "-i", output, "flamegraph", "--by", "blocked").stdout
    assert any("wait_for_lock;" in line and "futex;" in line and "schedule_[k]" in line for line in folded.splitlines())

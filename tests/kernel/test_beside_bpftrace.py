"""Several threads and processes: bpfrec and bpftrace, side by side on the same run, count the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.beside_bpftrace import LiveScript
from support.live import Recorder, Waiting, rows

from bpfrec.formats.kernel.syscalls import by_number

PROCESSES, THREADS, CALLS = 3, 4, 2000

Counts = dict[tuple[int, str], int]


@pytest.mark.alone
@pytest.mark.parametrize("how", ["-p", "--name", "-a"])
def test_counts_per_thread_and_syscall_agree(
    programs: Callable[..., Path], bpftrace: str, tmp_path: Path, how: str
) -> None:
    processes = 1 if how == "-p" else PROCESSES
    workload = Waiting([programs("crowd"), "0" if how == "-p" else str(PROCESSES), str(THREADS), str(CALLS)])
    output = tmp_path / "trace.bpfrec"
    options = {"-p": ["-p", str(workload.pid)], "--name": ["--name", "crowd"], "-a": ["-a"]}[how]
    judge = LiveScript(bpftrace, 'tracepoint:raw_syscalls:sys_enter /comm == "crowd"/ { @[tid, args->id] = count(); }')
    judge.wait()
    recorder = Recorder(output, *options)
    workload.go()
    if how == "-p":
        recorder.wait()
    else:
        recorder.stop()
    names = by_number("x86_64")
    theirs: Counts = {}
    for key, count in judge.stop().maps["@"].items():
        tid, number = map(int, key.split(","))
        theirs[tid, names[number].name] = count
    ours: Counts = {
        (tid, syscall): count  # type: ignore[misc]
        for tid, syscall, count in rows(
            # Of a call that was under way before, bpftrace sees no entry.
            output,
            "SELECT tid, syscall, count(*) FROM syscalls WHERE comm = 'crowd' AND entry_status IS NULL GROUP BY ALL",
        )
    }
    assert rows(output, "SELECT * FROM losses WHERE severity = 'data_loss'") == []
    assert ours == theirs
    expected = sum(CALLS + 100 * p + t for p in range(processes) for t in range(THREADS))
    assert sum(count for (_, syscall), count in ours.items() if syscall == "getppid") == expected

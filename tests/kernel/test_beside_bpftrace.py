"""Several threads and processes: bpfrec and bpftrace, side by side on the same run, count the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import PATIENCE, Recorder, Waiting, line_of, rows

from bpfrec.formats.kernel.syscalls import by_number

PROCESSES, THREADS, CALLS = 3, 4, 2000

Counts = dict[tuple[int, str], int]


class BpftraceCounts:
    """bpftrace counting calls by thread and syscall number of processes named ``comm``."""

    def __init__(self, bpftrace: str, comm: str) -> None:
        count = f'tracepoint:raw_syscalls:sys_enter /comm == "{comm}"/ {{ @[tid, args->id] = count(); }}'
        script = 'BEGIN { printf("attached\\n"); } ' + count
        environment = os.environ | {"BPFTRACE_MAP_KEYS_MAX": "100000"}
        self.process = subprocess.Popen(
            [bpftrace, "-f", "json", "-e", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        while "attached" not in line_of(self.process.stdout):
            assert self.process.poll() is None, "bpftrace ended early"

    def stop(self) -> Counts:
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=PATIENCE)
        names = by_number("x86_64")
        counts: Counts = {}
        for line in out.splitlines():
            if line.startswith('{"type": "map"'):
                for key, count in json.loads(line)["data"]["@"].items():
                    tid, number = map(int, key.split(","))
                    counts[tid, names[number].name] = count
        return counts


@pytest.mark.alone
@pytest.mark.parametrize("how", ["-p", "--name", "-a"])
def test_counts_per_thread_and_syscall_agree(
    programs: Callable[..., Path], bpftrace: str, tmp_path: Path, how: str
) -> None:
    processes = 1 if how == "-p" else PROCESSES
    workload = Waiting([programs("crowd"), "0" if how == "-p" else str(PROCESSES), str(THREADS), str(CALLS)])
    output = tmp_path / "trace.bpfrec"
    options = {"-p": ["-p", str(workload.pid)], "--name": ["--name", "crowd"], "-a": ["-a"]}[how]
    judge = BpftraceCounts(bpftrace, "crowd")
    recorder = Recorder(output, *options)
    workload.go()
    if how == "-p":
        recorder.wait()
    else:
        recorder.stop()
    theirs = judge.stop()
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

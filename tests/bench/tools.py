"""The tools that are compared: each attaches to a waiting process and is stopped after it has run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 120


@dataclass
class Attached:
    """A tool that traces; ``stop`` ends it and waits until what it writes is written."""

    process: subprocess.Popen[str]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()


Attach = Callable[[int, Path], Attached | None]


def _start(*command: str | Path, until: str = "", env: dict[str, str] | None = None) -> Attached:
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | (env or {}),
    )
    assert process.stdout is not None
    if until:
        for line in process.stdout:
            if until in line:
                break
        else:
            raise RuntimeError(f"{command[0]} ended before it traced")
    else:
        time.sleep(2)  # it does not say when it is attached
    return Attached(process)


def nothing(_pid: int, _folder: Path) -> None:
    return None


def empty_pair(pid: int, _folder: Path) -> Attached:
    return _start(sys.executable, Path(__file__).with_name("empty_pair.py"), str(pid), until="attached")


def _bpfrec(pid: int, folder: Path, *options: str) -> Attached:
    output = folder / "trace.bpfrec"
    return _start(
        sys.executable, "-m", "bpfrec", "record", "-p", str(pid), "-o", output, "--force", *options, until="recording"
    )


def bpfrec(pid: int, folder: Path) -> Attached:
    return _bpfrec(pid, folder)


def bpfrec_without_stacks(pid: int, folder: Path) -> Attached:
    return _bpfrec(pid, folder, "--stacks", "off")


def perf_trace_record(pid: int, folder: Path) -> Attached:
    return _start("perf", "trace", "record", "-o", folder / "perf.data", "-p", str(pid))


def bpftrace_count(pid: int, _folder: Path) -> Attached:
    counting = f"tracepoint:raw_syscalls:sys_enter /pid == {pid}/ {{ @[args->id] = count(); }}"
    return _start("bpftrace", "-e", f'BEGIN {{ printf("attached\\n"); }} {counting}', until="attached")


def strace(pid: int, folder: Path) -> Attached:
    return _start("strace", "-f", "-o", folder / "strace.txt", "-p", str(pid), until="attached")


TOOLS: dict[str, Attach] = {
    "untraced": nothing,
    "empty BPF pair": empty_pair,
    "bpfrec --stacks off": bpfrec_without_stacks,
    "bpfrec": bpfrec,
    "bpftrace count": bpftrace_count,
    "perf trace record": perf_trace_record,
    "strace": strace,
}
"""By the name in the table; the first is what the others are compared with."""

OUTPUTS = {
    "bpfrec --stacks off": "trace.bpfrec",
    "bpfrec": "trace.bpfrec",
    "perf trace record": "perf.data",
    "strace": "strace.txt",
}

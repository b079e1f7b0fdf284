"""The tools that are compared: how each is started, and what it says about what it recorded and lost."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from held import BenchError, wait_for_text
from perf_data import read_samples

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Target:
    """What is traced: a held process, or, before it is started, the command that starts it."""

    pid: int
    command: Sequence[str]
    starts_children: bool


@dataclass(frozen=True)
class Counted:
    """System calls recorded and lost, as the tool itself says; None: it does not say."""

    recorded: int | None = None
    lost: int | None = None


class Tool:
    """A tool; this one does nothing."""

    name = "untraced"
    program = ""
    """What has to be installed."""
    attached = ""
    """What it says when it traces."""
    output = ""
    """The file it writes."""
    slow = False
    """Whether it gets fewer calls."""
    by_default = True
    """Whether it runs when no tool is named."""

    def starts_command(self, target: Target) -> bool:
        """Whether it starts the command itself, because it cannot follow the children of a process that runs."""
        del target
        return False

    def command(self, target: Target, folder: Path) -> list[str]:
        """Its command line."""
        raise NotImplementedError

    def wait_attached(self, process: subprocess.Popen[bytes], log: Path, folder: Path) -> None:
        """Returns when it traces."""
        del folder
        wait_for_text(log, self.attached, process)

    def count(self, output: Path, said: str) -> Counted:
        """Of its finished file and what it said."""
        del output, said
        return Counted()


class EmptyPair(Tool):
    """Two BPF programs, on entry and exit of every call, that compare the pid and return."""

    name = "empty BPF pair"
    attached = "attached"

    def command(self, target: Target, folder: Path) -> list[str]:
        del folder
        return [sys.executable, str(_HERE / "empty_pair.py"), str(target.pid)]


class Bpfrec(Tool):
    """bpfrec with the options given."""

    attached = "recording"
    output = "trace.bpfrec"

    def __init__(self, name: str, *options: str, by_default: bool = True) -> None:
        self.name = name
        self._options = options
        self.by_default = by_default

    def starts_command(self, target: Target) -> bool:
        return target.starts_children

    def command(self, target: Target, folder: Path) -> list[str]:
        recording = [sys.executable, "-m", "bpfrec", "record", "-o", str(folder / self.output), *self._options]
        return [*recording, *(["--", *target.command] if self.starts_command(target) else ["-p", str(target.pid)])]

    def count(self, output: Path, said: str) -> Counted:
        del said
        with zipfile.ZipFile(output) as trace:
            counters = json.loads(trace.read("manifest.json"))["counters"]
        return Counted(counters["recorded"], counters["lost"])


class BpfrecEverything(Bpfrec):
    """bpfrec of every process."""

    def starts_command(self, target: Target) -> bool:
        del target
        return False

    def command(self, target: Target, folder: Path) -> list[str]:
        del target
        return [sys.executable, "-m", "bpfrec", "record", "-o", str(folder / self.output), "-a", *self._options]


class BpftraceCount(Tool):
    """Counts calls by number in the kernel; those of every process where children are to be counted too."""

    name = "bpftrace count"
    program = "bpftrace"
    attached = "attached"

    def command(self, target: Target, folder: Path) -> list[str]:
        del folder
        only = "" if target.starts_children else f"/pid == {target.pid}/ "
        counting = f"tracepoint:raw_syscalls:sys_enter {only}{{ @[args->id] = count(); }}"
        return ["bpftrace", "-e", f'BEGIN {{ printf("attached\\n"); }} {counting}']


class BccRecorder(Tool):
    """Records what bpfrec records, but no paths, with bcc's open_perf_buffer."""

    name = "bcc open_perf_buffer"
    attached = "attached"
    output = "bcc.records"

    def command(self, target: Target, folder: Path) -> list[str]:
        return [sys.executable, str(_HERE / "bcc_recorder.py"), str(target.pid), str(folder / self.output)]

    def count(self, output: Path, said: str) -> Counted:
        del output
        found = re.search(r"(\d+) events, (\d+) lost", said)
        if not found:
            raise BenchError("it does not say what it recorded")
        return Counted(int(found[1]), int(found[2]))


class PerfTraceRecord(Tool):
    """``perf trace record``; follows children by itself."""

    name = "perf trace record"
    program = "perf"
    output = "perf.data"

    def command(self, target: Target, folder: Path) -> list[str]:
        fifos = [folder / "perf.control", folder / "perf.ack"]
        for fifo in fifos:
            fifo.unlink(missing_ok=True)
            os.mkfifo(fifo)
        control = f"--control=fifo:{fifos[0]},{fifos[1]}"
        return ["perf", "trace", "record", "-o", str(folder / self.output), control, "-p", str(target.pid)]

    def wait_attached(self, process: subprocess.Popen[bytes], log: Path, folder: Path) -> None:
        """It says nothing by itself, but answers when it is asked."""
        del process
        control, ack = (os.open(folder / name, os.O_RDWR) for name in ("perf.control", "perf.ack"))
        try:
            os.write(control, b"ping\n")
            if not select.select([ack], [], [], 60)[0]:
                raise BenchError(f"it does not trace: {log.read_text(errors='replace').strip()}")
        finally:
            os.close(control)
            os.close(ack)

    def count(self, output: Path, said: str) -> Counted:
        """Two samples are a call."""
        del said
        samples = read_samples(output)
        return Counted(samples.taken // 2, (samples.lost + 1) // 2)


class Strace(Tool):
    """Loses nothing: it stops the program at each call."""

    name = "strace"
    program = "strace"
    attached = "attached"
    output = "strace.txt"
    slow = True

    def command(self, target: Target, folder: Path) -> list[str]:
        return ["strace", "-f", "-o", str(folder / self.output), "-p", str(target.pid)]

    def count(self, output: Path, said: str) -> Counted:
        """A line is a call, but for second halves of calls that others' lines interrupt, signals and exits."""
        del said
        with output.open(errors="replace") as lines:
            return Counted(sum(1 for line in lines if not re.match(r"\d+ +(<\.\.\.|\+\+\+|---)", line)))


_ALL: Sequence[Callable[[], Tool]] = (
    Tool,
    EmptyPair,
    lambda: Bpfrec("bpfrec --stacks off", "--stacks", "off"),
    lambda: Bpfrec("bpfrec --stacks fp", "--stacks", "fp"),
    lambda: Bpfrec("bpfrec"),
    lambda: BpfrecEverything("bpfrec -a", by_default=False),
    lambda: Bpfrec("bpfrec --sched", "--sched", by_default=False),
    lambda: Bpfrec("bpfrec --kernel-stacks", "--kernel-stacks", "1us", by_default=False),
    BpftraceCount,
    PerfTraceRecord,
    BccRecorder,
    Strace,
)

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (make() for make in _ALL)}
"""By the name in the table; the first is what the others are compared with."""

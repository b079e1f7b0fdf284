"""Runs workloads and recorders as processes, and reads the traces that they leave."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

import bpfrec
from bpfrec.analyze.facade import Trace

WORKLOADS = Path(__file__).parents[1] / "workloads"
TIMES = 23
PATIENCE = 180
"""Seconds after which something hangs; a busy machine needs many for a recording that takes three on an idle one."""


def cannot_run(reason: str) -> None:
    """Skips the test, or fails it where kernel tests are required."""
    if os.environ.get("BPFREC_KERNEL_TESTS") == "1":
        pytest.fail(f"kernel tests are required (BPFREC_KERNEL_TESTS=1), but {reason}", pytrace=False)
    pytest.skip(reason)


def build(source: Path, target: Path, flags: Sequence[str] = ()) -> None:
    command = ["gcc", "-g", "-O0", "-fno-omit-frame-pointer", "-pthread", *flags, str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{source.name} does not compile:\n{done.stderr}"


started: list[subprocess.Popen[str]] = []
"""Processes that the running test started; those that still run at its end are killed."""


class Waiting:
    """A workload that prints "ready" and waits until it is told to go."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(self.process)
        self.pid = self.process.pid
        assert line_of(self.process.stdout) == "ready"

    def go_until(self, said: str) -> None:
        """Lets it run until it prints a line; it waits for the end of its input then."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        assert line_of(self.process.stdout) == said

    def end(self) -> None:
        """Ends its input, and waits for its end."""
        self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0

    def go(self) -> list[str]:
        """Lets it run to its end; returns the lines that it printed."""
        out, _ = self.process.communicate("go\n", timeout=PATIENCE)
        assert self.process.returncode == 0, f"the workload failed: {out}"
        return out.splitlines()


class Recorder:
    """``bpfrec record`` in the background; it records when the constructor returns."""

    def __init__(self, output: Path, *options: str | Path) -> None:
        self.output = output
        command = [sys.executable, "-m", "bpfrec", "record", "-o", str(output), *map(str, options)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(self.process)
        self.said: list[str] = []
        self.wait_for("^bpfrec: recording ")

    def wait_for(self, pattern: str) -> None:
        """Waits for a line on its standard error in which the regular expression ``pattern`` is found."""
        assert self.process.stderr is not None
        too_late = threading.Timer(PATIENCE, self.process.kill)
        too_late.start()
        try:
            for line in self.process.stderr:
                self.said.append(line.strip())
                if re.search(pattern, line):
                    return
        finally:
            too_late.cancel()
        pytest.fail(f"the recorder ended, or did not write {pattern}: {self.said}")

    def wait_for_calls(self, many: int) -> None:
        """Waits until so many calls are recorded; the recorder needs the option ``-vv``."""
        for _ in range(PATIENCE):
            self.wait_for(r"sent \d+ calls")
            if int(self.said[-1].partition("sent ")[2].split()[0]) >= many:
                return
        pytest.fail(f"so many calls are not made: {self.said[-1]}")

    def stop(self, number: int = signal.SIGINT) -> str:
        """Stops it with a signal; returns what it wrote to standard error."""
        self.process.send_signal(number)
        return self.wait()

    def tell(self, line: str) -> None:
        """Writes a line to its standard input, which its command has too."""
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def wait(self) -> str:
        """Waits for its end; returns what it wrote to standard error."""
        _, err = self.process.communicate(timeout=PATIENCE)
        said = "\n".join([*self.said, err])
        assert self.process.returncode == 0, said
        return said


def record_command(output: Path, *command: str | Path, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Runs ``bpfrec record -- COMMAND`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bpfrec", "record", "-o", str(output), *options, "--", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@dataclass(frozen=True)
class KnownRecording:
    """A recording of ``known FOLDER`` as a command, all of its calls; and what it printed."""

    trace: Path
    program: Path
    folder: Path
    printed: list[str]


@contextmanager
def trace_of(output: Path) -> Iterator[Trace]:
    with bpfrec.open(output) as trace:
        yield trace


def rows(output: Path, query: str) -> list[tuple[object, ...]]:
    """Returns the rows of an SQL query on a trace."""
    with trace_of(output) as trace:
        return trace.sql(query).fetchall()


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE, every: float = 0.02) -> None:
    """Polls ``condition()`` until it is true; times are seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(every)


def wait_for_call(pid: int, *numbers: int, threads: int = 1) -> None:
    """Waits until so many threads of the process ``pid`` sleep in system calls with one of these numbers."""

    def calls() -> list[str]:
        found = []
        for file in Path(f"/proc/{pid}/task").glob("*/syscall"):
            with suppress(OSError):
                found.append(file.read_text().split()[0])
        return found

    wait_until(lambda: sum(call in map(str, numbers) for call in calls()) >= threads, f"a call of {pid} of {numbers}")


def has_ended_main_thread(pid: int) -> bool:
    """Whether the main thread of the process ``pid`` has ended and others go on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()

"""Starts processes that wait until they are told to begin and then report their cost; held.h is their side."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PATIENCE_S = 900.0
"""Seconds that one run of a workload, or the end of one tool, may take."""


class BenchError(Exception):
    """Why there is no measurement, in one line."""


@dataclass(frozen=True)
class Taken:
    """The cost of a run: ns of wall time, its end in ns on CLOCK_MONOTONIC, ns of CPU time, bytes of peak memory.

    CPU time and memory include the children that the process waited for.
    """

    wall_ns: int
    end_ns: int
    cpu_ns: int
    peak_bytes: int


class Lane:
    """The two pipes of one held process."""

    def __init__(self) -> None:
        self._control, self._send = os.pipe()
        self._read, self._result = os.pipe()
        self._unread = b""
        self._let_go = False

    @property
    def arguments(self) -> list[str]:
        """The first two arguments of the process."""
        return [str(number) for number in self.inherited]

    @property
    def inherited(self) -> tuple[int, int]:
        """The file descriptors that the process is to inherit."""
        return self._control, self._result

    def started(self) -> None:
        """Closes the process's ends, so that its death is noticed."""
        os.close(self._control)
        os.close(self._result)

    def line(self) -> str:
        """The next line that the process writes.

        Raises:
            BenchError: it ended instead, or wrote nothing for too long.
        """
        while b"\n" not in self._unread:
            if not select.select([self._read], [], [], PATIENCE_S)[0]:
                raise BenchError(f"nothing happened for {PATIENCE_S:g} s")
            piece = os.read(self._read, 4096)
            if not piece:
                raise BenchError("a process ended before it was measured")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def ready(self) -> None:
        """Returns when the process waits for :meth:`begin`."""
        if self.line() != "ready":
            raise BenchError("a process is not ready")

    def begin(self) -> None:
        """Lets the process begin."""
        os.write(self._send, b"go\n")

    def taken(self) -> Taken:
        """What the process took, when it is done; it stays until :meth:`let_go`."""
        return Taken(*map(int, self.line().split()))

    def let_go(self) -> None:
        """Lets the process end; once is enough."""
        if not self._let_go:
            os.close(self._send)
            os.close(self._read)
        self._let_go = True


def start(command: Sequence[str | Path], lanes: Sequence[Lane], log: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Starts a command that inherits these lanes; its output goes to ``log``."""
    # Under sudo, bpfrec would run a command as the user behind it, who cannot reach the bench's folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        pass_fds=[number for lane in lanes for number in lane.inherited],
    )
    for lane in lanes:
        lane.started()
    return process


def wait_for_text(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    """Returns when ``text`` is in the file.

    Raises:
        BenchError: the process ended, or wrote something else for too long; with the last line of it.
    """
    deadline = time.monotonic() + 60
    while text not in (said := log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"it does not trace: {(said.strip().splitlines() or ['it says nothing'])[-1]}")
        time.sleep(0.02)

"""What is traced: loops of one system call, and real programs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import projects
from held import BenchError

SLOW_SHARE = 50
"""A slow tool gets a loop with this many times fewer calls."""


@dataclass(frozen=True)
class Workload:
    """A loop of ``calls.c``, in one thread or more."""

    name: str
    threads: int = 1
    by_default: bool = True
    """Whether it runs when no workload is named."""

    def prepare(self, folder: Path) -> None:
        """Makes in ``folder`` what the workload works on."""

    def size(self, calls: int, slow: bool) -> int:
        """How often it does what it does, where loops are to make so many calls."""
        return max(calls // SLOW_SHARE if slow else calls, 2)

    def program(self, folder: Path) -> Path:
        """The held program that runs it."""
        return folder / "calls"

    def arguments(self, folder: Path, size: int) -> list[str]:
        """What follows the lane on the program's command line."""
        del folder
        return [self.name, str(size)]

    def calls(self, folder: Path, size: int) -> int:
        """The system calls that it makes."""
        del folder
        return size

    @property
    def starts_children(self) -> bool:
        """Whether a tool has to follow children."""
        return False


@dataclass(frozen=True)
class Program(Workload):
    """A shell line around real programs, repeated; run by ``spawn.c``."""

    make: Callable[[Path], None] = lambda _: None
    line: str = ":"
    repeat: int = 1
    slow_repeat: int = 1

    def prepare(self, folder: Path) -> None:
        self.make(folder / self.name)

    def size(self, calls: int, slow: bool) -> int:
        del calls
        return self.slow_repeat if slow else self.repeat

    def program(self, folder: Path) -> Path:
        return folder / "spawn"

    def arguments(self, folder: Path, size: int) -> list[str]:
        script = f"cd {folder / self.name} && for _ in {'x ' * size}; do {self.line}; done >/dev/null"
        return ["sh", "-c", script]

    def calls(self, folder: Path, size: int) -> int:
        """The system calls that it makes, counted by perf stat; the run before makes what is made but once."""
        counted = folder / "counted"
        counting = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-o", str(counted), "--"]
        command = self.arguments(folder, size)
        subprocess.run(command, check=True)
        subprocess.run([*counting, *command], check=True)
        fields = [line.split(",") for line in counted.read_text().splitlines() if "sys_enter" in line]
        if not fields or not fields[0][0].isdigit():
            raise BenchError("perf stat does not count system calls here")
        return int(fields[0][0])

    @property
    def starts_children(self) -> bool:
        return True


# GNU tar does not read the files when it writes to /dev/null.
_READ_TREE = "find . -type f -newer .; tar cf /dev/zero ."
_READ_HISTORY = "git status; git log -p --stat; git blame src/alpha/beta.txt; git fsck --no-progress"

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("getppid"),
        Workload("read"),
        Workload("open-missing"),
        Workload("open-missing-deep"),
        Workload("open-close"),
        Workload("two-threads", threads=2),
        Workload("ping-pong", by_default=False),
        Workload("ring", by_default=False),
        Program("gcc", make=projects.build_project, line="sh build.sh", repeat=2),
        Program("git", make=projects.git_history, line=_READ_HISTORY, repeat=5),
        Program("find-tar", make=projects.tree, line=_READ_TREE, repeat=60, slow_repeat=3),
    )
}
"""By the name in the table."""

"""How soon a recording begins, and how many calls that should have a stack have none: make bench-stacks, as root."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import projects

import bpfrec

_PATIENCE = 600
_RECORD = [sys.executable, "-m", "bpfrec", "-v", "record", "--force"]
_ATTACHED = re.compile(r"^bpfrec: ([0-9.]+) s bpf\.program: attached", re.MULTILINE)
_COUNT = """
SELECT count(stack_id)::BIGINT, count(*) FILTER (stack_status = 'capped'), count(*) FILTER (stack_status = 'lost'),
  count(*) FILTER (stack_status = 'changed'), count(DISTINCT stack_id), count(DISTINCT pid)
FROM syscalls WHERE stack_id IS NOT NULL OR stack_status IS NOT NULL
"""


@dataclass(frozen=True)
class Share:
    """Calls of a workload with a stack, and those without one by the reason; its distinct stacks and processes."""

    workload: str
    with_stack: int
    capped: int
    lost: int
    changed: int
    stacks: int
    processes: int

    @property
    def without(self) -> float:
        """The share without a stack."""
        missing = self.capped + self.lost + self.changed
        return missing / max(missing + self.with_stack, 1)


def make_project(folder: Path) -> None:
    """The C program of the other benchmarks, with a Makefile."""
    projects.build_project(folder)
    rules = (
        "OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))\n"
        "program: $(OBJECTS)\n\tgcc -o $@ $^\n"
        "%.o: %.c\n\tgcc -O1 -c $<\n"
    )
    (folder / "Makefile").write_text(rules)


@dataclass(frozen=True)
class Workload:
    """A shell line, in a folder that ``make`` makes; ``needs``: a program."""

    line: str
    make: Callable[[Path], None] = projects.tree
    needs: str = "sh"
    options: tuple[str, ...] = ()


WORKLOADS = {
    "find": Workload("find . -type f -newer ."),
    "24 runs of find": Workload(f"for i in {'x ' * 24}; do find . -type f -newer .; done"),
    "tar": Workload("tar cf /dev/zero ."),
    "10 runs of tar": Workload(f"for i in {'x ' * 10}; do tar cf /dev/zero .; done"),
    "make -j2": Workload("make -j2", make_project, "make"),
    "make -j2, --stack-on all": Workload("make -j2", make_project, "make", ("--stack-on", "all")),
    "git": Workload("git status; git log -p --stat; git fsck --no-progress", projects.git_history, "git"),
    "npm": Workload("npm help", Path.mkdir, "npm"),
    "javac": Workload("javac -version", Path.mkdir, "javac"),
    "pip": Workload(f"{sys.executable} -m pip list", Path.mkdir),
}


def share_of(name: str, workload: Workload, folder: Path) -> Share:
    """Records the workload."""
    work, trace = folder / "work", folder / "trace.bpfrec"
    shutil.rmtree(work, ignore_errors=True)
    workload.make(work)
    command = [*_RECORD, "-o", str(trace), *workload.options, "--", "sh", "-c", f"cd {work} && {workload.line}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if not trace.exists():
        sys.exit(f"{name}: {done.stderr}")
    with bpfrec.open(trace) as opened:
        (row,) = opened.sql(_COUNT).fetchall()
    return Share(name, *row)


def seconds_to_start(folder: Path, cache: Path, *options: str) -> float:
    """Seconds from the command line to the first recorded call."""
    command = [*_RECORD, "-o", str(folder / "trace.bpfrec"), *options, "--", "true"]
    environment = os.environ | {"BPFREC_CACHE": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True, env=environment)
    found = _ATTACHED.search(done.stderr)
    if found is None:
        sys.exit(f"it does not say when it began: {done.stderr}")
    return float(found[1])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="only this one (repeatable)")
    asked = parser.parse_args()
    starts, shares = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print("| options | s to the first start | to the second | to the third |\n|---|--:|--:|--:|")
        for number, options in enumerate(((), ("--stacks", "off"), ("--profile", "99"))):
            seconds = [seconds_to_start(folder, folder / f"cache{number}", *options) for _ in range(3)]
            starts.append({"options": " ".join(options), "seconds": seconds})
            print(f"| {' '.join(options) or 'none'} | {' | '.join(f'{each:.2f}' for each in seconds)} |", flush=True)
        print("\n| workload | processes | stacks | calls with a stack | capped | lost | changed | without |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
        for name, workload in WORKLOADS.items():
            if (asked.workload and name not in asked.workload) or shutil.which(workload.needs) is None:
                continue
            one = share_of(name, workload, folder)
            shares.append(asdict(one))
            counts = (one.processes, one.stacks, one.with_stack, one.capped, one.lost, one.changed)
            print(f"| {name} | {' | '.join(f'{count:,}' for count in counts)} | {one.without:.1%} |", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps({"starts": starts, "shares": shares}, indent=1))


if __name__ == "__main__":
    main()

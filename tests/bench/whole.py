"""Measures whole recordings from command line to prompt, beside perf trace: `make bench` does it, as root.

Each tool starts the command itself, as users do. Wall and CPU time have all of it: start, recording and finishing. What
the command takes without a tool is measured in the same rounds, and taken away where a column says what a tool adds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from environment import environment, require
from held import BenchError
from perf_data import read_samples
from workloads import WORKLOADS, Program

_UNTRACED, _PERF, _FIRST = "untraced", "perf trace record", "bpfrec, first start"
_BPFREC = [sys.executable, "-m", "bpfrec", "record", "--force", "-o"]
_TOOLS = {
    _UNTRACED: [],
    _FIRST: [*_BPFREC, "trace.bpfrec", "--"],
    "bpfrec --stacks off": [*_BPFREC, "trace.bpfrec", "--stacks", "off", "--"],
    "bpfrec": [*_BPFREC, "trace.bpfrec", "--"],
    _PERF: ["perf", "trace", "record", "-o", "perf.data"],
}
_OUTPUTS = ("trace.bpfrec", "perf.data")
_START = "start"
_LOOK = 0.05
# Calls that should have a stack, and those of them that have none.
_STACKS = (
    "SELECT count(*), count(*) FILTER (stack_id IS NULL) FROM syscalls "
    "WHERE stack_id IS NOT NULL OR stack_status IS NOT NULL"
)


@dataclass(frozen=True)
class Whole:
    """A command under a tool, from command line to prompt; times in seconds, sizes in bytes.

    ``first``: until the command ran. ``peak``: of the largest process, the command's among them. ``disk``: the most
    that the folder of the output took while it went on. ``calls``: recorded. ``lacking``: the share without a stack of
    those that should have one.
    """

    round: int
    workload: str
    tool: str
    wall: float
    cpu: float
    peak: int
    disk: int
    file: int
    first: float | None = None
    calls: int | None = None
    lost: int | None = None
    lacking: float | None = None


class Disk:
    """The most bytes of the disk that the files in ``folder`` took while it was watched."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.most = folder, 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Looks now and then."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK):
                self.most = max(self.most, self._now())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.most = max(self.most, self._now())

    def _now(self) -> int:
        total = 0
        for path in self._folder.rglob("*"):
            # Files come and go.
            with suppress(FileNotFoundError):
                total += path.lstat().st_blocks * 512
        return total


def command_of(workload: str, work: Path) -> list[str]:
    """The command line of a workload whose files are in ``work``."""
    if workload == _START:
        return ["date", "+%s.%N"]
    program = WORKLOADS[workload]
    return program.arguments(work, program.size(0, slow=False))


def measure(number: int, workload: str, tool: str, work: Path, folder: Path) -> Whole:
    """Runs a workload once under a tool.

    Raises:
        BenchError: it failed.
    """
    for name in _OUTPUTS:
        (folder / name).unlink(missing_ok=True)
    # Bytecode is kept from one start to the next, as where bpfrec is installed.
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if tool == _FIRST:
        given["BPFREC_CACHE"] = str(work / f"cache{number}")
    disk = Disk(folder)
    with disk.watched(), (work / "said").open("w+b") as said:
        wall_clock, begin = time.time(), time.monotonic()
        process = subprocess.Popen(
            [*_TOOLS[tool], *command_of(workload, work)],
            cwd=folder,
            env=given,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise BenchError(f"{tool} on {workload}: {said.read().decode(errors='replace').strip()}")
    file = sum((folder / name).stat().st_size for name in _OUTPUTS if (folder / name).exists())
    return Whole(
        round=number,
        workload=workload,
        tool=tool,
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * 1024,
        disk=disk.most,
        file=file,
        first=float(printed) - wall_clock if workload == _START else None,
        **_recorded(folder),
    )


def _recorded(folder: Path) -> dict[str, int | float | None]:
    """Calls recorded and lost, and the share without a stack, of the output in ``folder``."""
    trace, samples = (folder / name for name in _OUTPUTS)
    if trace.exists():
        with zipfile.ZipFile(trace) as opened:
            counters = json.loads(opened.read("manifest.json"))["counters"]
        # In a process of its own: what this one takes counts as the peak of the tools that it starts.
        asked = [sys.executable, "-m", "bpfrec", "analyze", "-i", str(trace), "sql", _STACKS, "--format", "csv"]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[1]
        wanted, lacking = map(int, said.split(","))
        share = lacking / wanted if wanted else None
        return {"calls": counters["recorded"], "lost": counters["lost"], "lacking": share}
    if samples.exists():
        read = read_samples(samples)
        # Two samples are a call.
        return {"calls": read.taken // 2, "lost": (read.lost + 1) // 2}
    return {}


_COLUMNS = (
    *("workload", "tool", "s to the first call", "s to prompt", "s added", "to perf", "CPU s", "CPU s per 1M calls"),
    *("calls", "lost", "without stack", "peak MiB", "most disk MiB", "file MiB"),
)


def table(measured: Sequence[Whole]) -> list[str]:
    """The Markdown table: medians over the rounds; what a tool adds is its time less that without a tool."""
    groups: dict[tuple[str, str], list[Whole]] = {}
    for one in measured:
        groups.setdefault((one.workload, one.tool), []).append(one)

    def median(workload: str, tool: str, member: str) -> float | None:
        values = [value for one in groups.get((workload, tool), ()) if (value := getattr(one, member)) is not None]
        return statistics.median(values) if values else None

    def less(workload: str, tool: str, member: str) -> float | None:
        one, other = median(workload, tool, member), median(workload, _UNTRACED, member)
        return None if one is None or other is None or tool == _UNTRACED else one - other

    lines = [_line(_COLUMNS), "|---|---|" + "--:|" * (len(_COLUMNS) - 2)]
    for workload, tool in groups:
        added, cpu, calls = less(workload, tool, "wall"), less(workload, tool, "cpu"), median(workload, tool, "calls")
        of_perf = less(workload, _PERF, "wall")
        lacking = median(workload, tool, "lacking")
        cells = (
            _number(less(workload, tool, "first"), 2),
            _number(median(workload, tool, "wall"), 2),
            _number(added, 2),
            _number(added / of_perf if added is not None and of_perf else None, 2),
            _number(cpu, 2),
            _number(cpu / calls * 1e6 if cpu is not None and calls and workload != _START else None, 2),
            _number(calls, 0),
            _number(median(workload, tool, "lost"), 0),
            "" if lacking is None else f"{lacking:.1%}",
            *(_mib(median(workload, tool, member)) for member in ("peak", "disk", "file")),
        )
        lines.append(_line((workload, tool, *cells)))
    return lines


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value / (1 << 20):,.1f}"


def main() -> int:
    """Measures and prints the table; the exit status."""
    names = [_START, *(name for name, workload in WORKLOADS.items() if isinstance(workload, Program))]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="[%(default)s]")
    parser.add_argument("--workload", action="append", choices=names, help="only this (repeatable)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement here")
    asked = parser.parse_args()
    chosen = asked.workload or names
    require(["perf", "gcc", "git", "tar"])
    measured: list[Whole] = []
    with tempfile.TemporaryDirectory(prefix="bpfrec-bench-") as name:
        work, folder = Path(name) / "work", Path(name) / "output"
        work.mkdir()
        folder.mkdir()
        for workload in chosen:
            if workload != _START:
                WORKLOADS[workload].prepare(work)
        tools = list(_TOOLS)
        for tool in tools:
            # The first one of each fills caches, and is not counted.
            measure(-1, _START, tool, work, folder)
        for number in range(asked.rounds):
            for workload in chosen:
                in_turn = tools[number % len(tools) :] + tools[: number % len(tools)]
                # A first start is one, whatever is recorded.
                measured += [
                    measure(number, workload, tool, work, folder)
                    for tool in in_turn
                    if tool != _FIRST or workload == _START
                ]
    measured.sort(key=lambda one: (names.index(one.workload), tools.index(one.tool), one.round))
    if asked.json:
        result = {
            "environment": environment(),
            "rounds": asked.rounds,
            "measurements": [asdict(one) for one in measured],
        }
        asked.json.write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(table(measured)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")

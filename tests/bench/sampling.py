"""Measures what --profile costs, beside perf record, on a loop without system calls and on one of getppid.

    python tests/bench/sampling.py [--rounds 5] [--hz 99] [--size 20000000]

As root. Prints for each loop and tool the least CPU time of all rounds, its ratio to the loop alone, how many samples
there were in how much CPU time, and what the tool took itself: its CPU time and the bytes of its file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from held import BenchError
from measure import Bench, Measurement
from perf_data import read_samples
from tools import Bpfrec, Counted, PerfTraceRecord, Target, Tool
from workloads import Workload

import bpfrec

LOOPS = ("spin", "getppid")


class BpfrecSamples(Bpfrec):
    """bpfrec, of which samples count."""

    def count(self, output: Path, said: str) -> Counted:
        del said
        with bpfrec.open(output) as trace:
            [(samples,)] = trace.sql("SELECT count(*) FROM samples").fetchall()
        return Counted(samples, 0)


class PerfRecord(PerfTraceRecord):
    """``perf record`` of CPU time, with the options given."""

    def __init__(self, name: str, *options: str) -> None:
        self.name = name
        self._options = options

    def command(self, target: Target, folder: Path) -> list[str]:
        perf, _trace, *recording = super().command(target, folder)
        return [perf, *recording, "-e", "cpu-clock", *self._options]

    def count(self, output: Path, said: str) -> Counted:
        del said
        samples = read_samples(output)
        return Counted(samples.taken, samples.lost)


def tools(hz: int) -> list[Tool]:
    """The loop alone first."""
    rate = str(hz)
    return [
        Tool(),
        BpfrecSamples("bpfrec, no samples"),
        BpfrecSamples(f"bpfrec --profile {hz}", "--profile", rate),
        BpfrecSamples(f"bpfrec --profile {hz} --stacks fp", "--profile", rate, "--stacks", "fp"),
        PerfRecord(f"perf record -F {hz} -g", "-F", rate, "-g"),
        PerfRecord(f"perf record -F {hz} --call-graph dwarf", "-F", rate, "--call-graph", "dwarf"),
    ]


def main() -> None:
    """Measures in rounds, so that what else the machine does hits all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hz", type=int, default=99)
    parser.add_argument("--size", type=int, default=20_000_000, help="turns of the loop without calls, and of getppid")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), given.size)
        print("| loop | tool | CPU s | to alone | samples | a CPU second | bytes each | tool CPU s |")
        print("|---|---|--:|--:|--:|--:|--:|--:|")
        for loop in LOOPS:
            measure(bench, Workload(loop), given.hz, given.rounds)


def measure(bench: Bench, loop: Workload, hz: int, rounds: int) -> None:
    """One loop under every tool."""
    found: dict[str, list[Measurement]] = {}
    chosen = tools(hz)
    bench.prepare(loop, chosen)
    for number in range(rounds):
        for tool in chosen:
            try:
                found.setdefault(tool.name, []).append(bench.measure(number, loop, tool))
            except BenchError as error:
                print(error)
    alone = min(m.cpu_ns for m in found[chosen[0].name])
    for name, several in found.items():
        best = min(several, key=lambda m: m.cpu_ns)
        taken = best.recorded or 0
        each = f"{(best.output_bytes or 0) / taken:,.0f}" if taken else ""
        print(
            f"| {loop.name} | {name} | {best.cpu_ns / 1e9:.3f} | {best.cpu_ns / alone:.3f} | {taken or ''} | "
            f"{taken / best.cpu_ns * 1e9 if taken else 0:.1f} | {each} | {(best.tool_cpu_ns or 0) / 1e9:.2f} |"
        )


if __name__ == "__main__":
    main()

"""Measures what tracing costs the traced program: every tool on every workload, in rounds.

Usage: python tests/bench/run.py     as root; `make bench` does it

Prints a Markdown table of medians over the rounds, writes all measurements as JSON, and draws a picture. --redraw shows
earlier measurements again, without root.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from environment import environment, require
from held import BenchError
from measure import Bench, Measurement
from report import BASE, NOTES, summarize, table
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tools import TOOLS, Tool
from workloads import WORKLOADS, Program, Workload


def measure(
    rounds: int, calls: int, workloads: list[Workload], tools: list[Tool]
) -> tuple[list[Measurement], list[str]]:
    """Every round runs every tool once on each workload, in another order, so that a slow moment hits them all.

    What failed is in the second list; Ctrl-C ends it early.
    """
    measurements: list[Measurement] = []
    failures: list[str] = []
    # Drawn between runs only: a thread that draws would be measured too.
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="bpfrec-bench-") as name,
        Progress(*columns, console=console, auto_refresh=False, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("preparing", total=rounds * len(workloads) * len(tools))
        bar.refresh()
        bench = Bench(Path(name), calls)
        for workload in workloads:
            bench.prepare(workload, tools)
        try:
            for number in range(rounds):
                for workload in workloads:
                    for tool in tools[number % len(tools) :] + tools[: number % len(tools)]:
                        bar.update(task, description=f"round {number + 1}/{rounds}: {workload.name}, {tool.name}")
                        bar.refresh()
                        try:
                            measurements.append(bench.measure(number, workload, tool))
                        except BenchError as error:
                            failures.append(f"round {number + 1}: {error}")
                            console.print(f"bench: {failures[-1]}", markup=False, highlight=False, soft_wrap=True)
                        bar.advance(task)
        except KeyboardInterrupt:
            failures.append("interrupted")
    return measurements, failures


def check(workloads: list[Workload], tools: list[Tool]) -> None:
    """Whether all that was chosen can run here.

    Raises:
        BenchError: no.
    """
    programs = [isinstance(workload, Program) for workload in workloads]
    require(["gcc", *(tool.program for tool in tools), *(["perf", "git", "tar"] if any(programs) else [])])
    for workload in workloads:
        if workload.threads > len(os.sched_getaffinity(0)):
            raise BenchError(f"{workload.name} needs {workload.threads} CPUs")


def show(measurements: list[Measurement], picture: Path | None) -> None:
    """The table, and the picture."""
    workloads, tools = list(WORKLOADS), list(TOOLS)
    rows = sorted(summarize(measurements), key=lambda row: (workloads.index(row.workload), tools.index(row.tool)))
    if not rows:
        raise BenchError("nothing was measured")
    print("\n".join([*table(rows), "", NOTES]))
    if picture:
        from picture import draw

        draw(rows, picture)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="[%(default)s]")
    parser.add_argument("--calls", type=int, default=1_000_000, help="of each loop [%(default)s]")
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="only this (repeatable)")
    parser.add_argument("--tool", action="append", choices=list(TOOLS), help="only this beside untraced (repeatable)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement here")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw here; the suffix says how: .svg, .png")
    parser.add_argument("--redraw", type=Path, metavar="JSON", help="measure nothing, show what is in this file")
    return parser.parse_args()


def main() -> int:
    given = options()
    if given.redraw:
        show([Measurement(**one) for one in json.loads(given.redraw.read_text())["measurements"]], given.picture)
        return 0
    named = given.workload or [name for name, workload in WORKLOADS.items() if workload.by_default]
    workloads = [workload for name, workload in WORKLOADS.items() if name in named]
    chosen = given.tool or [name for name, tool in TOOLS.items() if tool.by_default]
    tools = [tool for name, tool in TOOLS.items() if name == BASE or name in chosen]
    check(workloads, tools)
    where = environment()
    measurements, failures = measure(given.rounds, given.calls, workloads, tools)
    if given.json:
        result = {
            "environment": where,
            "rounds": given.rounds,
            "calls": given.calls,
            "failures": failures,
            "measurements": [asdict(one) for one in measurements],
        }
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    show(measurements, given.picture)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")

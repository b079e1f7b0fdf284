"""What tracing costs the traced program: every tool on every workload, side by side in one run, in rounds.

Usage: python tests/bench/run.py [--rounds N] [--calls N] [--json FILE]     as root; `make bench` does it

Prints a Markdown table: median over the rounds of the ns that a tool adds to a call, the spread (least to most), the
ratio to the empty BPF pair and to perf trace record of the same run, and the bytes that it writes per call.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tools import OUTPUTS, TOOLS

WORKLOADS = ("getppid", "read", "open-missing", "open-close")
SLOW = {"strace": 50}

Times = dict[str, dict[str, list[float]]]


def once(program: Path, workload: str, tool: str, calls: int, folder: Path) -> tuple[float, float]:
    """ns per call under ``tool``, and the bytes per call that it wrote."""
    calls //= SLOW.get(tool, 1)
    process = subprocess.Popen(
        [program, workload, str(calls)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    attached = TOOLS[tool](process.pid, folder)
    out, _ = process.communicate("go\n", timeout=600)
    if attached is not None:
        attached.stop()
    output = folder / OUTPUTS[tool] if tool in OUTPUTS else None
    size = output.stat().st_size if output else 0
    if output:
        output.unlink()
    return float(out), size / calls


def say(text: str) -> None:
    """Shows on a terminal what is running."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr)


def measure(rounds: int, calls: int) -> tuple[Times, Times]:
    """Times and sizes by workload and tool; every round runs every tool once, so that a slow moment hits them all."""
    times: Times = {w: {t: [] for t in TOOLS} for w in WORKLOADS}
    sizes: Times = {w: {t: [] for t in TOOLS} for w in WORKLOADS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "calls"
        subprocess.run(["gcc", "-O2", "-w", Path(__file__).with_name("calls.c"), "-o", program], check=True)
        for number in range(rounds):
            for workload in WORKLOADS:
                for tool in TOOLS:
                    say(f"round {number + 1}/{rounds}: {workload}, {tool}")
                    time, size = once(program, workload, tool, calls, folder)
                    times[workload][tool].append(time)
                    sizes[workload][tool].append(size)
    say("")
    return times, sizes


def table(times: Times, sizes: Times) -> list[str]:
    """The Markdown table."""
    lines = [
        "| workload | tool | ns added per call | spread | to empty pair | to perf | bytes per call |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for workload, by_tool in times.items():
        base = statistics.median(by_tool["untraced"])
        added = {tool: statistics.median(ts) - base for tool, ts in by_tool.items()}
        for tool, ts in by_tool.items():
            if tool == "untraced":
                lines.append(f"| {workload} | {tool} | ({base:,.0f} ns a call) | | | | |")
                continue
            size = statistics.median(sizes[workload][tool])
            ratios = [added[tool] / added[other] for other in ("empty BPF pair", "perf trace record")]
            lines.append(
                f"| {workload} | {tool} | {added[tool]:,.0f} | {min(ts) - base:,.0f} to {max(ts) - base:,.0f} "
                f"| {ratios[0]:.1f} | {ratios[1]:.2f} | {f'{size:,.1f}' if size else ''} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="write every single time here")
    options = parser.parse_args()
    times, sizes = measure(options.rounds, options.calls)
    print("\n".join(table(times, sizes)))
    if options.json:
        options.json.write_text(json.dumps({"ns_per_call": times, "bytes_per_call": sizes}, indent=1) + "\n")


if __name__ == "__main__":
    main()

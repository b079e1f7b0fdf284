"""Measures what reports cost: bpfrec's on a trace of many calls, and ``perf trace -s`` on a recording of as many.

Usage: python tests/bench/analysis.py     as root; `make bench-analysis` does it

Records a loop of reads and failing opens once with bpfrec and once with perf, then times each question over several
rounds. Prints a Markdown table of medians; --json has every single run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from environment import environment, require
from held import BenchError, Lane, Taken, start
from measure import Run, compile_programs
from tools import TOOLS
from workloads import Workload

BPFREC = str(Path(sys.executable).with_name("bpfrec"))
SAMPLES = Path(__file__).parents[2] / "sample_traces"
GROUP_BY = "SELECT syscall, errno, count(*), max(duration_ns) FROM syscalls GROUP BY ALL ORDER BY 3 DESC"
RATIO_LIMIT, SUMMARY_LIMIT_S, HELP_LIMIT_S = 0.25, 0.5, 0.15


@dataclass(frozen=True)
class Question:
    """A command to time; ``limit`` in seconds, or, where ``beside_perf``, as a share of what perf takes."""

    name: str
    command: Sequence[str]
    limit: float | None = None
    beside_perf: bool = False
    events: int | None = None


@dataclass(frozen=True)
class Answer:
    """One run of it: wall time in ns, peak memory in bytes."""

    question: str
    round: int
    wall_ns: int
    cpu_ns: int
    peak_bytes: int


def record(folder: Path, events: int) -> tuple[Question, list[Question]]:
    """Makes the two recordings; what is asked of perf's, and what of bpfrec's."""
    made: dict[str, tuple[Path, int]] = {}
    for tool in (TOOLS["bpfrec"], TOOLS["perf trace record"]):
        say(f"recording {events:,} calls: {tool.name}")
        with ExitStack() as cleanup:
            Run(folder, Workload("mixed"), events, cleanup).under(tool)
        output = folder / tool.output
        counted = tool.count(output, "")
        if counted.lost or counted.recorded is None:
            print(f"bench: {tool.name} lost {counted.lost:,} calls", file=sys.stderr)
        made[tool.name] = output, counted.recorded or 0
    data, in_perf = made["perf trace record"]
    trace, in_trace = made["bpfrec"]
    asking = [BPFREC, "analyze", "-i", str(trace)]
    perf = Question("perf trace -s", ["perf", "trace", "-s", "-i", str(data)], events=in_perf)
    ours = Question("", [], RATIO_LIMIT, beside_perf=True, events=in_trace)
    return perf, [
        replace(ours, name="report syscount", command=[*asking, "report", "syscount"]),
        replace(ours, name="report opensnoop -x", command=[*asking, "report", "opensnoop", "-x"]),
        replace(ours, name="sql, GROUP BY call and error", command=[*asking, "sql", GROUP_BY]),
    ]


def small_questions() -> list[Question]:
    """What must not take long, whatever the trace."""
    summaries = []
    for path in sorted(SAMPLES.glob("*.bpfrec")):
        command = [BPFREC, "analyze", "-i", str(path), "report", "summary"]
        summaries.append(Question(f"report summary, {path.name}", command, SUMMARY_LIMIT_S))
    return [*summaries, Question("bpfrec --help", [BPFREC, "--help"], HELP_LIMIT_S)]


def ask(folder: Path, question: Question) -> Taken:
    """Runs the command once; what it prints goes nowhere.

    Raises:
        BenchError: it failed.
    """
    lane = Lane()
    process = start([folder / "spawn", *lane.arguments, *question.command], [lane], subprocess.DEVNULL)
    lane.ready()
    lane.begin()
    lane.line()  # its pid
    taken = lane.taken()
    lane.let_go()
    if process.wait():
        raise BenchError(f"{' '.join(question.command)} failed")
    return taken


def table(questions: Sequence[Question], answers: Sequence[Answer], perf: Question) -> list[str]:
    """The Markdown table."""
    by_name = {q.name: [one for one in answers if one.question == q.name] for q in questions}
    seconds = {name: [one.wall_ns / 1e9 for one in ones] for name, ones in by_name.items()}
    lines = [
        "| question | calls | s | spread | to perf trace -s | limit | within | peak MiB |",
        "|---|--:|--:|--:|--:|--:|---|--:|",
    ]
    for question in questions:
        took = statistics.median(seconds[question.name])
        ratio = took / statistics.median(seconds[perf.name])
        measured = ratio if question.beside_perf else took
        peak = statistics.median(one.peak_bytes for one in by_name[question.name]) / 2**20
        limit = "" if question.limit is None else f"{question.limit:g}{'' if question.beside_perf else ' s'}"
        within = "" if question.limit is None else "yes" if measured <= question.limit else "no"
        lines.append(
            f"| {question.name} | {f'{question.events:,}' if question.events else ''} | {took:.2f} "
            f"| {min(seconds[question.name]):.2f} to {max(seconds[question.name]):.2f} "
            f"| {f'{ratio:.2f}' if question.beside_perf else ''} | {limit} | {within} | {peak:,.0f} |"
        )
    return lines


def say(text: str) -> None:
    """Shows on a terminal what is running."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help="calls to record [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="[%(default)s]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single run here")
    options = parser.parse_args()
    require(["gcc", "perf"])
    where = environment()
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory(prefix="bpfrec-bench-") as name:
        folder = Path(name)
        compile_programs(folder)
        perf, ours = record(folder, options.events)
        questions = [perf, *ours, *small_questions()]
        for number in range(options.rounds):
            for question in questions:
                say(f"round {number + 1}/{options.rounds}: {question.name}")
                taken = ask(folder, question)
                answers.append(Answer(question.name, number, taken.wall_ns, taken.cpu_ns, taken.peak_bytes))
    say("")
    print("\n".join(table(questions, answers, perf)))
    if options.json:
        result = {
            "environment": where,
            "rounds": options.rounds,
            "questions": [asdict(question) for question in questions],
            "answers": [asdict(one) for one in answers],
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")

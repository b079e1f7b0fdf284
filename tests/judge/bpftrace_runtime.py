"""Runs bpftrace's own runtime tests as replays on an empty trace: those that need no kernel but the language.

Usage: PYTHONPATH=tests python -m judge.bpftrace_runtime [--like 0.17|latest] [--failed] FOLDER

FOLDER is bpftrace's source. Prints how many tests pass, which replay refuses by name and why, and which fail; exit
status 1 when one fails that is not in ``KNOWN``. With --failed, what a failing test printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.program import Done, run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

from judge.bpftrace_tests import RuntimeTest, read_tests

_PATIENCE_S = 30
_LASTS_MS = 20_000
_ATTACHED = re.compile(r'^(Attach(ing|ed) \d+ probes?.*|\{"type": "attached_probes".*)\n', re.MULTILINE)
_REFUSED = re.compile(
    r"ERROR: (.*(?:cannot be replayed|are not recorded|in safe mode|was not recorded|the trace has no).*)"
)

KNOWN = {
    "basic.it shows usage with bad flag": "the usage is bpfrec's",
    "basic.errors on non existent file": "the words for a missing file are bpfrec's",
    "json-output.invalid_format": "the words for a wrong -f are bpfrec's",
    "other.named command line params before double dash": "options of the script need no -- before them",
    "basic.non existent library include fails": "headers are not read: their constants are known without them",
    "call.strerror": "headers are not read: their constants are known without them",
    "builtin.log size too small": "nothing is loaded into the kernel, so its log is not needed",
    "other.runtime_error_check_lookup": "there is no -k: what is missing reads as zero, in silence",
    "other.runtime_error_check_delete": "there is no -k: what is missing reads as zero, in silence",
    "json-output.helper_error": "there is no -k: what is missing reads as zero, in silence",
    "basic.has_key error type mismatch": "integers of literals have 64 bits in messages, strings no length",
    "builtin.sizeof": "a variable that holds literals has 64 bits",
    "tuples.complex tuple 4": "strings have no size of their own",
    "macro.it accepts typeof expressions": "a type is no argument of a macro",
    "macro.it accepts typeof expressions with nested calls": "a type is no argument of a macro",
    "macro.it accepts typeof expressions for nested casts": "a type is no argument of a macro",
    "stdlib.assert_macro": "the place told is that of assert(), not that within bpftrace's own library",
}
"""Tests that fail, and why."""


@dataclass
class Outcome:
    """How a test went: ``passed``, ``refused``, ``failed``, or ``other`` (it is not about the language)."""

    test: RuntimeTest
    verdict: str
    why: str = ""
    output: str = ""


def main() -> int:
    """Runs the tests and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="bpftrace's source")
    parser.add_argument("--like", choices=["0.17", "latest"], default="latest")
    parser.add_argument("--failed", action="store_true", help="show what failing tests printed")
    parser.add_argument("--only", default="", metavar="REGEX", help="tests whose SUITE.NAME matches")
    given = parser.parse_args()
    tests = [t for t in read_tests(given.folder / "tests/runtime") if re.search(given.only, f"{t.suite}.{t.name}")]
    with tempfile.TemporaryDirectory(prefix="bpfrec-runtime-") as name, contextlib.chdir(given.folder / "tests"):
        trace = empty_trace(Path(name) / "empty.bpfrec")
        outcomes = [run(test, trace, given.like) for test in tests]
    return report(outcomes, given.failed)


def empty_trace(target: Path) -> Path:
    """A recording of twenty seconds in which nothing was called, under a command."""
    built = TraceBuilder()
    built.stop_ns = START_NS + _LASTS_MS * MS
    return built.write(target)


def run(test: RuntimeTest, trace: Path, like: str) -> Outcome:
    """Replays one test, in this process."""
    if test.needs:
        return Outcome(test, "other", test.needs)
    try:
        arguments, stdin = replay_arguments(test)
    except ValueError as error:
        return Outcome(test, "other", str(error))
    try:
        done = _replay(test, trace, like, arguments, stdin)
    except Exception as error:
        return Outcome(test, "failed", traceback.format_exception(error)[-1].strip())
    output = done.stderr + done.stdout
    compared = _ATTACHED.sub("", done.stdout) if test.is_exact else output
    status = test.status if not test.fails else done.returncode or -1
    wrong = [f"{mode}: {text}" for mode, text in test.expects if not _is_met(mode, text, compared)]
    if done.returncode != status:
        wrong.append(f"exit status {done.returncode}")
    refused = _REFUSED.search(done.stderr) if done.returncode else None
    if wrong and refused:
        return Outcome(test, "refused", refused[1], output)
    return Outcome(test, "failed" if wrong else "passed", "; ".join(wrong), output)


def _replay(test: RuntimeTest, trace: Path, like: str, arguments: list[str], stdin: str) -> Done:
    with _patience(), tempfile.TemporaryDirectory() as folder:
        return run_bpfrec(
            *("analyze", "-i", str(trace), "bpftrace", "--like", like, *arguments),
            stdin=stdin,
            environment=test.environment | {"TMPDIR": folder},
        )


def replay_arguments(test: RuntimeTest) -> tuple[list[str], str]:
    """The arguments of ``analyze bpftrace`` for a test, and its standard input.

    Raises:
        ValueError: it needs a shell.
    """
    if test.program:
        form = ["-f", "json"] if any(mode == "json" for mode, _ in test.expects) else []
        return [*form, "-e", test.program], ""
    words = shlex.split(test.command.removeprefix("{{BPFTRACE}} ").removesuffix("2>&1"))
    stdin = ""
    if "<" in words:
        at = words.index("<")
        stdin = Path(words[at + 1]).read_text()
        words[at : at + 2] = []
    if re.search(r"\$\(|(^|\s)[|;&>]", re.sub(r"'[^']*'|\"[^\"]*\"", "", test.command.removesuffix("2>&1"))):
        raise ValueError("a shell around it")
    return words, stdin


def _is_met(mode: str, text: str, output: str) -> bool:
    match mode:
        case "text":
            return re.search(rf"^\s*{re.escape(text)}\s*$", output, re.MULTILINE) is not None
        case "text_none":
            return not _is_met("text", text, output)
        case "regex":
            return re.search(text, output, re.MULTILINE) is not None
        case "regex_none":
            return not _is_met("regex", text, output)
        case "file":
            return output.strip() == Path(text).read_text().strip()
    return _json_lines(output) == _json_lines(Path(text).read_text(), whole=not text.endswith(".ndjson"))


def _json_lines(text: str, whole: bool = False) -> list[Any] | None:
    try:
        return [json.loads(text)] if whole else [json.loads(line) for line in text.strip().splitlines()]
    except ValueError:
        return None


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    def late(_number: int, _frame: object) -> None:
        raise TimeoutError("it did not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def report(outcomes: list[Outcome], show: bool) -> int:
    """Prints the figures; the exit status."""
    by_verdict: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_verdict.setdefault(outcome.verdict, []).append(outcome)
    language = [outcome for outcome in outcomes if outcome.verdict != "other"]
    print(
        f"{len(outcomes)} tests, {len(language)} of them about the language: "
        + ", ".join(f"{len(by_verdict.get(v, []))} {v}" for v in ("passed", "refused", "failed"))
    )
    for why, count in Counter(outcome.why for outcome in by_verdict.get("other", [])).most_common():
        print(f"  not run: {count:4} need {why}")
    for outcome in by_verdict.get("refused", []):
        print(f"  refused: {outcome.test.suite}.{outcome.test.name}: {outcome.why}")
    unexplained = 0
    for outcome in by_verdict.get("failed", []):
        name = f"{outcome.test.suite}.{outcome.test.name}"
        known = KNOWN.get(name)
        unexplained += known is None
        print(f"  failed: {name}: {known or outcome.why}")
        if show and known is None:
            print("    " + (outcome.test.program or outcome.test.command).replace("\n", "\n    "))
            print("    | " + outcome.output.replace("\n", "\n    | "))
    return 1 if unexplained else 0


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    sys.exit(main())

"""Runs a program under strace and bpfrec and compares what they say about it, call by call.

Usage, as root: PYTHONPATH=tests python -m judge.run [--json] [--keep FOLDER] -- git log
                PYTHONPATH=tests python -m judge.run [--json] --program NAME

Exit status 1 when there are differences that nothing explains, 2 when a program could not be judged.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bpfrec.formats.errors import BpfrecError
from judge.findings import Findings
from judge.judging import judge
from judge.programs import PROGRAMS, Program
from judge.recorded import RecordingError
from judge.strace_values import NotationError
from judge.watching import WatchError


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print findings as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and recordings here")
    parser.add_argument("--repeats", action="store_true", help="COMMAND does the same in every run: compare two, too")
    parser.add_argument(
        "--program", action="append", choices=list(PROGRAMS), help="judge a program of programs.py (repeatable)"
    )
    parser.add_argument("--all", action="store_true", help="judge all programs of programs.py")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="a program and its arguments")
    return parser.parse_args()


def main() -> int:
    given = options()
    chosen = [PROGRAMS[name] for name in (PROGRAMS if given.all else given.program or ())]
    if given.command:
        chosen.append(
            Program(" ".join(given.command), given.command, repeats=given.repeats, may_fail=True, cwd=Path.cwd())
        )
    found: list[Findings] = []
    failed = False
    for program in chosen:
        with tempfile.TemporaryDirectory(prefix="bpfrec-judge-") as name:
            folder = (given.keep or Path(name)) / ("command" if given.command else program.name)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                findings = judge(program, folder.resolve())
            except (BpfrecError, NotationError, RecordingError, WatchError) as error:
                print(f"judge: {program.name}: {error}", file=sys.stderr)
                failed = True
                continue
        found.append(findings)
        if not given.json:
            print("\n".join(findings.lines()))
    if given.json:
        print(json.dumps([findings.as_json() for findings in found], indent=1))
    return 2 if failed else 1 if any(findings.unexplained for findings in found) else 0


if __name__ == "__main__":
    sys.exit(main())

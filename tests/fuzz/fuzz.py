"""Fuzzes every target with atheris, guided by coverage, from the corpus of ``seeds.py``; prints how many inputs ran.

``python tests/fuzz/fuzz.py [--runs N] [--seed N] [TARGET...]``. The same seed and corpus give the same inputs. Each
target has a process of its own, on one CPU and with low priority. An input that fails is kept in ``build/fuzz/TARGET``;
``--replay FILE TARGET`` runs it alone.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "fuzz"
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_MOST_MIB = 2048
_IN_CHILD = "--in-child"
_INSTRUMENTED = ["bpfrec.formats", "bpfrec.record", "bpfrec.bpf.wire", "bpfrec.bpf.btf", "bpfrec.analyze.imports"]


def main() -> int:
    """Runs what the arguments say; 1 if an input failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs for all targets together")
    parser.add_argument("--seconds", type=int, default=0, help="at most so long for each target; 0: no bound")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=Path)
    arguments = parser.parse_args()

    from fuzz.targets import TARGETS

    chosen = arguments.targets or list(TARGETS)
    if arguments.replay:
        TARGETS[chosen[0]].run(arguments.replay.read_bytes())
        return 0
    shares = sum(TARGETS[name].share for name in chosen)
    total, failed = 0, []
    for name in chosen:
        runs = max(1, round(arguments.runs * TARGETS[name].share / shares))
        done, seconds, ok = _run(name, runs, arguments.seconds, arguments.seed)
        total += done
        failed += [] if ok else [name]
        print(f"{name:12} {done:>10,} inputs in {seconds:>5,} s  {'fine' if ok else 'FAILED'}", flush=True)
    print(f"{'all':12} {total:>10,} inputs, {len(failed)} targets failed {' '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, runs: int, seconds: int, seed: int) -> tuple[int, int, bool]:
    from fuzz.seeds import seeds
    from fuzz.targets import TARGETS, TIMEOUT_S

    folder = FOLDER / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    most = TARGETS[name].most_bytes
    for number, content in enumerate(seeds(name)):
        most = max(most, len(content))
        (corpus / f"seed-{number}").write_bytes(content)
    options = [
        *(f"-runs={runs}", f"-seed={seed}", f"-max_len={most}", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={_MOST_MIB}"),
        *(f"-artifact_prefix={folder}/", "-print_final_stats=1", f"-max_total_time={seconds}"),
    ]
    command = [sys.executable, __file__, _IN_CHILD, name, *options, str(corpus)]
    with (folder / "log").open("wb") as log:
        code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
    text = (folder / "log").read_text("utf-8", "replace")
    found = _DONE.findall(text)
    return (int(found[-1][0]), int(found[-1][1]), code == 0) if found else (0, 0, False)


def _child(name: str) -> None:
    import atheris

    # What is damaged is logged, millions of times.
    logging.disable(logging.CRITICAL)
    os.nice(19)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with atheris.instrument_imports(include=_INSTRUMENTED):
        from fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *sys.argv[3:]], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    if sys.argv[1:2] == [_IN_CHILD]:
        _child(sys.argv[2])
    else:
        sys.exit(main())

"""Whole answers, byte for byte. ``UPDATE_GOLDEN=1 pytest tests/golden`` writes them anew; read the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.program import run_bpfrec

HERE = Path(__file__).parent
CASES = {
    "syscount.txt": "report syscount",
    "syscount-latency-process.txt": "report syscount -L -P",
    "syscount-milliseconds.txt": "report syscount -L -m -T 3",
    "syscount.sql": "report syscount -x -p 4242 --sql",
    "opensnoop.txt": "report opensnoop",
    "opensnoop-all-columns.txt": "report opensnoop -T -U -e -t 99",
    "opensnoop.json": "report opensnoop -p 99 --format json",
    "failed-opens.txt": "report failed-opens",
    "failures.txt": "report failures",
    "failures.csv": "report failures --format csv",
    "files.txt": "report files",
    "network.csv": "report network --format csv",
    "processes.txt": "report processes",
    "calls.txt": "report calls --from 0.95",
    "startup.txt": "report startup",
    "leaks.txt": "report leaks --least 1",
    "waiting.txt": "report waiting --least 50",
    "latency.txt": "report latency",
    "latency-histogram.txt": "report latency -H --syscall clock_nanosleep",
    "latency-slowest.txt": "report latency --slowest 3",
    "latency-maxima.txt": "report latency --maxima --syscall clock_nanosleep,openat",
    "timeline.txt": "report timeline --around event:30 -C 2",
    "timeline-moment.txt": "report timeline --around 955ms --span 20ms",
    "summary.txt": "report summary",
    "reports.txt": "report",
    "info.txt": "info",
    "schema-clock_nanosleep.txt": "schema sys.clock_nanosleep",
    "schema-recording.csv": "schema recording --format csv",
}


@pytest.fixture(scope="module")
def folder(lab1_trace, tmp_path_factory) -> Path:
    # A name that is the same on every run.
    link = tmp_path_factory.mktemp("golden") / "trace.bpfrec"
    link.symlink_to(lab1_trace)
    return link.parent


@pytest.mark.parametrize("file", CASES)
def test_golden(folder, file):
    done = run_bpfrec("analyze", *CASES[file].split(), cwd=folder)
    # The size of a Parquet file is that of its writer's version.
    answer = done.stdout.replace(str((folder / "trace.bpfrec").stat().st_size), "SIZE")
    assert done.returncode == 0, done.stderr
    golden = HERE / file
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(answer, "utf-8")
    assert answer == golden.read_text("utf-8")

"""A trace of every released format version stays readable: each report and the tables answer, with rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.reports import REPORTS
from bpfrec.formats.schema import FORMAT_VERSION

KEPT = Path(__file__).parents[2] / "sample_traces" / "formats"
NEEDS_OPTIONS = ("argdist", "trace")
"""Reports that ask for a probe."""
SEEN_BEFORE = {
    "summary",
    "calls",
    "syscount",
    "opensnoop",
    "failed-opens",
    "failures",
    "latency",
    "waiting",
    "files",
    "network",
    "processes",
    "stacks",
}
"""Reports that there were when the traces were made: these have something for each of them."""


def versions() -> list[int]:
    return list(range(1, FORMAT_VERSION + 1))


@pytest.fixture(params=versions(), ids=lambda version: f"format-{version}")
def trace(request: pytest.FixtureRequest) -> Iterator[Trace]:
    with bpfrec.open(KEPT / f"format-{request.param}.bpfrec") as opened:
        yield opened


@pytest.mark.parametrize("version", versions())
def test_the_kept_trace_is_of_its_version(version: int) -> None:
    with bpfrec.open(KEPT / f"format-{version}.bpfrec") as opened:
        assert opened.manifest.format_version == version


@pytest.mark.grid
@pytest.mark.parametrize("name", [name for name in REPORTS if name not in NEEDS_OPTIONS])
def test_every_report_answers(trace: Trace, name: str) -> None:
    rows = trace.report(name).rows
    assert rows or name not in SEEN_BEFORE, f"{name} finds nothing in a trace that has everything"


def test_what_was_recorded_is_still_there(trace: Trace) -> None:
    def one(query: str) -> tuple[object, ...] | None:
        return next(iter(trace.sql(query).fetchall()), None)

    found = one("SELECT errno, stack_text(stack_id) FROM syscalls WHERE path = 'missing'")
    assert found is not None
    assert found[0] == "ENOENT"
    assert "__libc_start_main_impl" in str(found[1])
    assert one("SELECT address, port FROM sockaddrs WHERE port = 9") == ("127.0.0.1", 9)
    assert one("SELECT value FROM exec_args WHERE arg = 2 LIMIT 1") == ("PATH=/usr/bin:/bin",)
    assert one("SELECT count(*) FROM samples") == (9,)

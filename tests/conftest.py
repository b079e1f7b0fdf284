"""Fixtures for every kind of test: synthetic traces. Helpers are in tests/support."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from support import trace_builder

# How long an example takes says nothing on a shared machine.
settings.register_profile("bpfrec", deadline=None)
settings.load_profile("bpfrec")


_OF_A_GRID = 2
"""Combinations of a test marked grid that FAST=1 asks."""
_TESTS = Path(__file__).parent


def slow_tests() -> set[str]:
    """The lines of slow.txt: ``FOLDER/FILE.py`` or ``FOLDER/FILE.py::TEST``, below this folder."""
    lines = (_TESTS / "slow.txt").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


# pytest deselects by marks in a hook of its own.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seen: Counter[str] = Counter()
    slow = slow_tests()
    for item in items:
        test = item.path.relative_to(_TESTS).as_posix()
        name = f"{test}::{item.name.partition('[')[0]}"
        if test in slow or name in slow:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("grid"):
            seen[name] += 1
            if seen[name] > _OF_A_GRID:
                item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows why tests that then passed, or failed again, were run a second time."""
    again = terminalreporter.getreports("rerun")
    if not again:
        return
    terminalreporter.section(f"{len(again)} run again after a failure")
    for report in again:
        terminalreporter.write_sep("_", report.nodeid, red=True)
        terminalreporter.write_line(report.longreprtext)
    for report in again:
        terminalreporter.write_line(f"RERUN {report.nodeid}", yellow=True)


@pytest.fixture(scope="session")
def lab1_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trace_builder.lab1().write(tmp_path_factory.mktemp("lab1") / "lab1.bpfrec")


@pytest.fixture(scope="session")
def lossy_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trace_builder.lossy().write(tmp_path_factory.mktemp("lossy") / "lossy.bpfrec")


@pytest.fixture(scope="session")
def hostile_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trace_builder.hostile().write(tmp_path_factory.mktemp("hostile") / "hostile.bpfrec")

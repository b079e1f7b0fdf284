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


# pytest deselects by marks in a hook of its own.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seen: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("grid"):
            test = item.nodeid.partition("[")[0]
            seen[test] += 1
            if seen[test] > _OF_A_GRID:
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

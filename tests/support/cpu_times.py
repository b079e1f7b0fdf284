"""A plugin of pytest that lists the CPU time each test needed, its processes included: ``make test-times``.

What a fixture of a module or of the session takes counts for the first test that asks for it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

_LEAST_S = 0.5
_NAME = "cpu_seconds"


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Notes what the test itself needed with its report."""
    before = _cpu_s()
    try:
        return (yield)
    finally:
        item.user_properties.append((_NAME, _cpu_s() - before))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Notes what the fixtures needed that no test had asked for yet."""
    before = _cpu_s()
    try:
        return (yield)
    finally:
        item.user_properties.append((_NAME, _cpu_s() - before))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints tests and files with what they needed together, the costliest first."""
    tests: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        if report.when == "call":
            needed = sum(value for name, value in report.user_properties if name == _NAME)
            tests[report.nodeid.partition("[")[0]] += needed
            files[report.nodeid.partition("::")[0]] += needed
    terminalreporter.section(f"{sum(files.values()):.0f} s of CPU time")
    for counted in (files, tests):
        for name, needed in counted.most_common():
            if needed >= _LEAST_S:
                terminalreporter.write_line(f"{needed:8.1f} s  {name}")

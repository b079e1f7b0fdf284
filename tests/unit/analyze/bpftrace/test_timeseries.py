"""tseries(): the graphs of bpftrace's own tests (tests/runtime/outputs/tseries*), on a trace whose clock is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.bpftrace_scripts import body, run_on
from support.trace_builder import MS, TraceBuilder

MARGIN = " " * 13
TOP = "hh:mm:ss.ms  |___________________________________________________|"
BOTTOM = MARGIN + "v___________________________________________________v"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred calls, one every 10 ms, whose second argument goes from 0 to 9 and begins anew."""
    built = TraceBuilder()
    for number in range(100):
        built.call("lseek", number * 10 * MS, 3, number % 10, 0)
    return built.write(tmp_path_factory.mktemp("series") / "trace.bpfrec")


@pytest.mark.parametrize(("way", "value"), [("", 9), (', "avg"', 4), (', "max"', 9), (', "min"', 0), (', "sum"', 45)])
def test_values_of_one_interval_are_put_together(trace: Path, way: str, value: int):
    printed = run_on(trace, f"t:syscalls:sys_enter_lseek {{ @a = tseries(args.offset, 100ms, 5{way}); }}")
    bounds = f"{MARGIN}{value - 1:<21}{value + 1:>32}"
    rows = [
        f"12:00:00.{number}00 |                         *                         | {value}" for number in range(5, 10)
    ]
    assert body(printed).splitlines() == ["@a:", bounds, TOP, *rows, BOTTOM, bounds, ""]


def test_zero_is_marked_and_intervals_without_a_value_are_dashes(trace: Path):
    script = (
        "t:syscalls:sys_enter_lseek /elapsed < 100ms && args.offset == 9/ { @ = tseries(-5, 100ms, 4); }"
        "t:syscalls:sys_enter_lseek /elapsed >= 200ms && elapsed < 300ms/ { @ = tseries(5, 100ms, 4); }"
    )
    rows = body(run_on(trace, script)).splitlines()[3:6]
    assert rows == [
        "12:00:00.000 *                         .                         | -5",
        "12:00:00.100 |                         .                         | -",
        "12:00:00.200 |                         .                         * 5",
    ]


def test_series_by_key_stand_in_the_order_of_their_last_values(trace: Path):
    script = (
        't:syscalls:sys_enter_lseek { if (elapsed < 500ms) { @a["one"] = tseries(5, 100ms, 10); }'
        ' else { @a["two"] = tseries(4, 100ms, 10); } }'
    )
    lines = body(run_on(trace, script)).splitlines()
    assert [line for line in lines if line.startswith("@")] == ["@a[one]:", "@a[two]:"]
    assert lines.count("12:00:00.700 |                                                   | -") == 1


def test_as_json(trace: Path):
    printed = run_on(trace, "t:syscalls:sys_enter_lseek { @a = tseries(args.offset, 500ms, 5); }", json=True)
    assert json.loads(printed.splitlines()[-1]) == {
        "type": "tseries",
        "data": {
            "@a": [
                {"interval_start": "2026-08-01 12:00:00.000000000", "value": 9},
                {"interval_start": "2026-08-01 12:00:00.500000000", "value": 9},
            ]
        },
    }


def test_a_cleared_series_is_empty(trace: Path):
    script = "t:syscalls:sys_enter_lseek { @a = tseries(1, 1s, 5); } END { clear(@a); }"
    assert run_on(trace, script) == "\n\n"

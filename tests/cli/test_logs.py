"""-v and BPFREC_LOG: what is done and how long it takes, on standard error, and nothing without them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.program import start_bpfrec
from support.trace_builder import TraceBuilder

QUERY = ("sql", "SELECT count(*) AS calls FROM syscalls")
LINE = re.compile(r"bpfrec: \d+\.\d{3} s [a-z_.]+: .+")


@pytest.mark.parametrize("arguments", [("-v", "analyze", "-i"), ("analyze", "-v", "-i")])
def test_v_shows_queries_and_their_times(lab1_trace: Path, arguments: tuple[str, ...]) -> None:
    done = start_bpfrec(*arguments, lab1_trace, *QUERY)
    quiet = start_bpfrec("analyze", "-i", lab1_trace, *QUERY)
    assert done.stdout == quiet.stdout
    assert quiet.stderr == ""
    assert all(LINE.fullmatch(line) for line in done.stderr.splitlines()), done.stderr
    assert re.search(r"engine\.engine: 1 rows in \d+\.\d+ s", done.stderr), done.stderr


def test_vv_shows_views_too(lab1_trace: Path) -> None:
    once = start_bpfrec("-v", "analyze", "-i", lab1_trace, *QUERY).stderr
    twice = start_bpfrec("-vv", "analyze", "-i", lab1_trace, *QUERY).stderr
    assert "view syscalls" not in once
    assert "view syscalls" in twice


def test_the_variable_names_a_level(lab1_trace: Path) -> None:
    shown = start_bpfrec("analyze", "-i", lab1_trace, *QUERY, environment={"BPFREC_LOG": "debug"})
    assert "view syscalls" in shown.stderr
    wrong = start_bpfrec("analyze", "-i", lab1_trace, *QUERY, environment={"BPFREC_LOG": "loud"})
    assert wrong.returncode == 1
    assert "BPFREC_LOG is 'loud'" in wrong.stderr
    assert "debug, info" in wrong.stderr


def test_what_a_terminal_could_obey_is_escaped(tmp_path: Path) -> None:
    builder = TraceBuilder()
    builder.call("close", 0, 3, ret=0)
    trace = builder.write(tmp_path / "t.bpfrec")
    done = start_bpfrec("-vv", "analyze", "-i", trace, "sql", "SELECT '\x1b[31m' AS red FROM syscalls")
    assert "\x1b" not in done.stderr
    assert "x1b" in done.stderr or "chr(27)" in done.stderr

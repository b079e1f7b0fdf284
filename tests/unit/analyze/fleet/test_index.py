"""analyze/fleet/index.py: the row of a trace in the index of a fleet."""

from __future__ import annotations

from pathlib import Path

from support.large_trace import write_large_trace
from support.web import Served, serve

import bpfrec
from bpfrec.analyze.fleet.index import IndexBuilder, index_row
from bpfrec.analyze.fleet.places import Found
from bpfrec.formats.remote.source import HEAD_BYTES

SAMPLE = Path(__file__).parents[4] / "sample_traces" / "build.bpfrec"
"""It is of an older version: its manifest has no counts of failed calls."""

BY_ERROR = "SELECT errno, count(*) FROM syscalls WHERE errno IS NOT NULL GROUP BY ALL ORDER BY ALL"
BY_NAME = "SELECT syscall, count(*) FROM syscalls GROUP BY ALL ORDER BY ALL"


def test_the_first_64_kib_have_all_counts(tmp_path: Path) -> None:
    large = write_large_trace(tmp_path / "large.bpfrec", 30)
    with serve(Served(large.read_bytes())) as server:
        row = index_row(Found(server.address))
        assert server.ranges == [(0, HEAD_BYTES)]
    with bpfrec.open(large) as trace:
        assert row["failures"] == trace.query(BY_ERROR).rows
        assert row["syscalls"] == trace.query(BY_NAME).rows
    assert (row["status"], row["calls"], row["bytes_read"]) == ("ok", 30 * 4485, HEAD_BYTES)


def test_older_traces_are_counted_if_that_is_wanted() -> None:
    assert index_row(Found(str(SAMPLE)))["failures"] is None
    with bpfrec.open(SAMPLE) as trace:
        assert index_row(Found(str(SAMPLE)), failures=True)["failures"] == trace.query(BY_ERROR).rows


def test_what_was_not_read_when_the_user_ended_it_is_read_next_time() -> None:
    folder = SAMPLE.parent
    traces = len(list(folder.rglob("*.bpfrec")))

    def end(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    first = IndexBuilder([str(folder)], progress=end)
    begun = first.rows()
    assert isinstance(first.ending, KeyboardInterrupt)
    assert begun["status"].to_pylist().count("unread") == first.unread == traces - 2
    second = IndexBuilder([str(folder)], begun)
    rows = second.rows()
    assert (second.ending, second.unread, second.unreadable, second.kept) == (None, 0, 0, 2)
    assert rows.select(["trace", "calls", "syscalls"]) == IndexBuilder([str(folder)]).rows().select(
        ["trace", "calls", "syscalls"]
    )

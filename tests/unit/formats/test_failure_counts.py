"""formats/failure_counts.py: failed calls by error, as the manifest of a trace has them."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from support.trace_builder import TraceBuilder

from bpfrec.formats.arrow import parquet_writer, written_schema
from bpfrec.formats.columns import Table
from bpfrec.formats.failure_counts import MOST_ERRORS, OTHER, failures_in
from bpfrec.formats.schema import SYSCALLS
from bpfrec.formats.trace_reader import TraceReader

ERRNO = Table("errors", "", tuple(c for c in SYSCALLS.columns if c.name == "errno"))


def parquet(folder: Path, *groups: list[str | None]) -> Path:
    path = folder / "errors.parquet"
    with path.open("wb") as file, parquet_writer(ERRNO, file) as writer:
        for group in groups:
            writer.write_table(pa.table({"errno": pa.array(group, pa.string())}).cast(written_schema(ERRNO)))
    return path


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from([None, "ENOENT", "EAGAIN", "E4095"]), max_size=20), max_size=4))
def test_each_error_is_counted(groups: list[list[str | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        counted = failures_in([parquet(Path(folder), *groups)])
    expected = Counter(name for group in groups for name in group if name is not None)
    assert (counted, list(counted)) == (dict(expected), sorted(expected))


def test_the_counts_take_little_room_whatever_was_recorded(tmp_path: Path) -> None:
    rare = [f"E{number}" for number in range(4096)]
    counted = failures_in([parquet(tmp_path, rare, ["ENOENT"] * 5, ["E" * 60_000] * 9)])
    assert len(counted) == MOST_ERRORS + 1
    assert counted["ENOENT"] == 5
    assert counted[OTHER] == 4096 + 9 - (MOST_ERRORS - 1)


def test_files_without_errors_are_left_out(tmp_path: Path) -> None:
    pq.write_table(pa.table({"comm": ["sh"]}), tmp_path / "late.parquet")
    assert failures_in([tmp_path / "late.parquet", parquet(tmp_path, ["EPERM"])]) == {"EPERM": 1}


def test_every_trace_that_is_written_has_them(tmp_path: Path) -> None:
    builder = TraceBuilder()
    for ret in (0, -2, -2, -13, None):
        builder.call("openat", 0, ret=ret)
    with TraceReader(builder.write(tmp_path / "t.bpfrec")) as reader:
        assert reader.manifest.failures == {"EACCES": 1, "ENOENT": 2}

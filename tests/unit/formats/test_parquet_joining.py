"""formats/parquet_joining.py and thrift_compact.py: joined files hold what Arrow and DuckDB read from their parts."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpfrec.formats.arrow import parquet_writer, written_schema
from bpfrec.formats.columns import Table, table
from bpfrec.formats.parquet_joining import JoinedParquet, add_column
from bpfrec.formats.thrift_compact import read_struct, write_struct

THINGS = table(
    "things",
    "Some.",
    ("event_id", "BIGINT", "number", "delta"),
    ("word", "VARCHAR", "text", "codes"),
    ("path", "VARCHAR", "text", "dictionary"),
    ("ts_ns", "BIGINT", "time", "plain"),
    ("blob", "BLOB", "bytes", "plain"),
)


def part(names: tuple[str, ...]) -> Table:
    return Table("part", "", tuple(column for column in THINGS.columns if column.name in names))


def rows_of(start: int, count: int) -> pa.Table:
    numbers = range(start, start + count)
    return pa.table(
        {
            "event_id": pa.array(numbers, pa.int64()),
            "word": pa.array([None if n % 3 == 0 else f"w{n % 2}" for n in numbers], pa.string()).dictionary_encode(),
            "path": pa.array([f"/p/{n % 5}" for n in numbers], pa.string()),
            "ts_ns": pa.array([n * 10 for n in numbers], pa.int64()),
            "blob": pa.array([bytes([n % 256]) * (n % 4) for n in numbers], pa.binary()),
        }
    )


def write(path: Path, of: Table, groups: list[pa.Table]) -> Path:
    with path.open("wb") as file:
        writer = parquet_writer(of, file)
        for group in groups:
            writer.write_table(group.select([c.name for c in of.columns]).cast(written_schema(of)))
        writer.close()
    return path


@given(st.lists(st.lists(st.integers(1, 40), max_size=3), max_size=4), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_joined_files_hold_all_rows(tmp_path: Path, sizes: list[list[int]], divided: bool) -> None:
    parts: list[list[Path]] = []
    every: list[pa.Table] = []
    first, second = part(("path", "event_id")), part(("blob", "word", "ts_ns"))
    for number, of_part in enumerate(sizes):
        groups = []
        for size in of_part:
            groups.append(rows_of(sum(len(group) for group in every), size))
            every.append(groups[-1])
        if divided:
            files = [write(tmp_path / f"{number}a", first, groups), write(tmp_path / f"{number}b", second, groups)]
        else:
            files = [write(tmp_path / f"{number}", THINGS, groups)]
        parts.append(files)
    joined = JoinedParquet(THINGS, parts)
    whole = b"".join(joined.blocks())
    assert len(whole) == joined.size
    path = tmp_path / "joined.parquet"
    path.write_bytes(whole)
    expected = pa.concat_tables([*every, rows_of(0, 0)]).cast(pq.read_schema(path))
    assert joined.rows == len(expected)
    assert pq.read_table(path).equals(expected)
    assert pq.ParquetFile(path).num_row_groups == sum(map(len, sizes))
    again = duckdb.sql(f"SELECT * FROM read_parquet('{path}') ORDER BY event_id").fetchall()
    assert again == [tuple(row.values()) for row in expected.to_pylist()]
    if len(expected):
        last = len(expected) - 1
        query = f"SELECT ts_ns, path FROM read_parquet('{path}') WHERE event_id = {last} AND ts_ns >= {last * 10}"
        assert duckdb.sql(query).fetchall() == [(last * 10, f"/p/{last % 5}")]


@given(st.lists(st.integers(1, 40), max_size=5), st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_a_column_is_added_and_the_others_stay(tmp_path: Path, sizes: list[int], random: Random) -> None:
    groups = [rows_of(sum(sizes[:n]), size) for n, size in enumerate(sizes)]
    source, target = write(tmp_path / "source", THINGS, groups), tmp_path / "target"
    before = source.read_bytes()
    values = np.array([random.randrange(-(2**31), 2**31) for _ in range(sum(sizes))], np.int32)
    add_column(source, target, "more", values)
    assert source.read_bytes() == before
    made = pq.read_table(target)
    assert made.drop_columns("more").equals(pq.read_table(source))
    assert made["more"].to_pylist() == values.tolist()
    assert pq.ParquetFile(target).metadata.num_row_groups == len(sizes)
    asked = duckdb.sql(f"SELECT event_id, more FROM read_parquet('{target}') WHERE path = '/p/1' ORDER BY event_id")
    assert asked.fetchall() == [(n, int(value)) for n, value in enumerate(values) if n % 5 == 1]


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_column_is_added_to_what_is_damaged(tmp_path: Path, data: st.DataObject) -> None:
    source = write(tmp_path / "source", THINGS, [rows_of(0, 9), rows_of(9, 3)])
    raw = bytearray(source.read_bytes())
    length = int.from_bytes(raw[-8:-4], "little")
    raw[data.draw(st.integers(len(raw) - length - 8, len(raw) - 1))] = data.draw(st.integers(0, 255))
    source.write_bytes(raw)
    try:
        add_column(source, tmp_path / "target", "more", np.zeros(12, np.int32))
    except ValueError:
        return


def test_a_column_has_a_value_for_each_row(tmp_path: Path) -> None:
    source = write(tmp_path / "source", THINGS, [rows_of(0, 9)])
    with pytest.raises(ValueError, match="has no 8 rows"):
        add_column(source, tmp_path / "target", "more", np.zeros(8, np.int32))


def test_a_footer_comes_back_byte_for_byte(tmp_path: Path) -> None:
    raw = write(tmp_path / "a", THINGS, [rows_of(0, 30), rows_of(30, 5)]).read_bytes()
    length = int.from_bytes(raw[-8:-4], "little")
    footer = raw[-8 - length : -8]
    assert write_struct(read_struct(footer)) == footer


@given(st.data())
def test_damage_is_an_error_and_nothing_else(data: st.DataObject) -> None:
    file = io.BytesIO()
    parquet_writer(THINGS, file).close()
    raw = file.getvalue()
    length = int.from_bytes(raw[-8:-4], "little")
    footer = bytearray(raw[-8 - length : -8])
    footer[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    try:
        read_struct(bytes(footer[: data.draw(st.integers(0, length))]))
    except ValueError:
        return


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    few = write(tmp_path / "a", part(("event_id", "word", "path")), [rows_of(0, 3)])
    more = write(tmp_path / "b", part(("ts_ns", "blob")), [rows_of(0, 4)])
    with pytest.raises(ValueError, match="other rows"):
        JoinedParquet(THINGS, [[few, more]])
    with pytest.raises(ValueError, match="other columns"):
        JoinedParquet(THINGS, [[few]])
    more.write_bytes(more.read_bytes()[:-1])
    with pytest.raises(ValueError, match="no whole Parquet"):
        JoinedParquet(THINGS, [[more]])

"""formats/salvage_rows.py: of a table in the middle of which a file was cut, the rows before the cut are saved."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import ring_bytes
from support.program import run_bpfrec
from support.recorded_calls import OTHER, PID, recorded

import bpfrec
from bpfrec.formats.arrow import parquet_writer, written_schema
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.parquet_pages import MAGIC, TAIL
from bpfrec.formats.salvage import salvage
from bpfrec.formats.salvage_groups import whole_row_groups
from bpfrec.formats.salvage_rows import rows_before_cut
from bpfrec.formats.schema import SYSCALLS, TABLES
from bpfrec.formats.thrift_compact import read_struct, write_struct
from bpfrec.formats.trace_reader import TraceReader
from bpfrec.record.finish import call_parts, call_writer
from bpfrec.record.finish.finish import finish
from bpfrec.record.request import Request
from bpfrec.record.session.output import prepare
from bpfrec.record.session.spools import Spools

NUMBERS = [syscalls()[name].numbers["x86_64"] for name in ("getpid", "close", "openat")]
CALLS, GROUP = 700, 150
LATE = ("comm", "stack_id", "stack_status")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace whose calls are in several row groups, with columns that were written behind all others."""
    target = tmp_path_factory.mktemp("whole") / "t.bpfrec"
    with pytest.MonkeyPatch.context() as patched, prepare(target, force=True) as output:
        patched.setattr(call_parts, "_ROW_GROUP", GROUP)
        patched.setattr(call_writer, "_BATCH_BYTES", GROUP * len(ring_bytes.sample(ring_bytes.call())))
        spools = Spools(output)
        made = [
            ring_bytes.call(
                NUMBERS[n % 3], ts=1000 + n * 13, pid=(PID, OTHER)[n % 2], tid=PID, duration=n % 7, ret=-n % 5
            )
            for n in range(CALLS)
        ]
        parts = [made[at : at + GROUP] for at in range(0, CALLS, GROUP)]
        recording = recorded(spools, parts[0])
        for part in parts[1:]:
            recorded(spools, part)
        spools.close()
        recording.counters["sent_syscalls"] = CALLS
        done = finish(Request(pids=(PID, OTHER)), recording, output, None, lambda _share: None)
        output.publish(done.file)
    return target


def member(trace: Path, name: str) -> tuple[int, bytes]:
    """Where a member begins in a trace, and its bytes."""
    with zipfile.ZipFile(trace) as archive:
        content = archive.read(name)
    return trace.read_bytes().index(content), content


def test_a_table_that_has_its_footer_is_read_without_it(trace: Path) -> None:
    with zipfile.ZipFile(trace) as archive:
        for table in TABLES:
            if table.member not in archive.namelist():
                continue
            content = archive.read(table.member)
            whole, made = pq.read_table(io.BytesIO(content)), io.BytesIO()
            assert rows_before_cut(io.BytesIO(content), 0, table, made) == whole.num_rows
            assert pq.read_table(io.BytesIO(made.getvalue())).equals(whole)
    assert pq.ParquetFile(io.BytesIO(member(trace, "syscalls.parquet")[1])).num_row_groups >= 3


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_calls_before_a_cut_are_saved_as_they_were(trace: Path, tmp_path: Path, data: st.DataObject) -> None:
    begin, content = member(trace, "syscalls.parquet")
    cut, saved = tmp_path / "cut.bpfrec", tmp_path / "saved.bpfrec"
    cut.write_bytes(trace.read_bytes()[: begin + data.draw(st.integers(1, len(content) - 1))])
    saved.unlink(missing_ok=True)
    try:
        found = salvage(cut, saved)
    except TraceFileError:
        return
    rows = found.partial.get("syscalls", 0)
    assert found.missing["syscalls"] == CALLS
    before = pq.read_table(io.BytesIO(content)).slice(0, rows)
    with TraceReader(saved) as reader:
        assert not [fault for _, fault in reader.verify() if fault]
    after = pq.read_table(io.BytesIO(member(saved, "syscalls.parquet")[1])) if rows else before
    assert after.drop_columns(LATE).equals(before.drop_columns(LATE))
    for name in LATE:
        for value, was in zip(after[name].to_pylist(), before[name].to_pylist(), strict=True):
            assert value in (was, None)


def test_what_is_saved_and_lost_is_counted(trace: Path, tmp_path: Path) -> None:
    begin, content = member(trace, "syscalls.parquet")
    groups = pq.ParquetFile(io.BytesIO(content)).metadata
    last = groups.row_group(1)
    ends = [last.column(n) for n in range(last.num_columns) if last.column(n).path_in_schema not in LATE]
    end = max(
        min(c.dictionary_page_offset or c.data_page_offset, c.data_page_offset) + c.total_compressed_size for c in ends
    )
    cut, saved = tmp_path / "cut.bpfrec", tmp_path / "saved.bpfrec"
    cut.write_bytes(trace.read_bytes()[: begin + end + 10])
    rows = groups.row_group(0).num_rows + last.num_rows
    found = salvage(cut, saved)
    assert found.partial == {"syscalls": rows}
    with bpfrec.open(saved) as opened:
        assert opened.sql("SELECT count(*), count(comm) FROM syscalls").fetchall() == [(rows, 0)]
        told = opened.sql("SELECT severity, count, remedy FROM losses WHERE remedy LIKE 'syscalls:%'").fetchall()
        counts = opened.sql("SELECT syscall, count(*) FROM syscalls GROUP BY 1").fetchall()
        assert (opened.manifest.syscalls, opened.manifest.counters["recorded"]) == (dict(counts), rows)
    ((severity, count, remedy),) = told
    assert (severity, count) == ("data_loss", CALLS - rows)
    assert f"only the first {rows:,} rows were saved" in remedy


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=20), st.integers(0, 1 << 20))
def test_damage_gives_no_other_error(changes: list[tuple[int, int]], cut: int) -> None:
    made = io.BytesIO()
    with parquet_writer(SYSCALLS, made):
        pass
    content = bytearray(WHOLE or made.getvalue())
    for at, value in changes:
        content[at % len(content)] = value
    rows_before_cut(io.BytesIO(content[: cut % len(content)]), 0, SYSCALLS, io.BytesIO())


WHOLE: Any = b""


@pytest.fixture(autouse=True, scope="module")
def _whole(trace: Path) -> None:
    global WHOLE  # noqa: PLW0603 - hypothesis and fixtures of a module do not go together
    WHOLE = member(trace, "syscalls.parquet")[1]


@pytest.mark.parametrize("place", ["a page", "the header of a page"])
def test_row_groups_beside_a_damaged_one_are_saved(trace: Path, tmp_path: Path, place: str) -> None:
    begin, content = member(trace, "syscalls.parquet")
    groups = pq.ParquetFile(io.BytesIO(content)).metadata
    chunk = groups.row_group(1).column(5)
    start = min(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset)
    damaged = bytearray(trace.read_bytes())
    damaged[begin + start + (0 if place == "the header of a page" else chunk.total_compressed_size - 3)] ^= 0x10
    bad, saved = tmp_path / "bad.bpfrec", tmp_path / "saved.bpfrec"
    bad.write_bytes(damaged)
    listed = run_bpfrec("analyze", "-i", bad, "info", "--verify", "--format", "csv").stdout
    assert "syscalls.parquet is damaged" in listed
    done = run_bpfrec("recover", bad, "-o", saved, "--format", "csv")
    lost = groups.row_group(1).num_rows
    assert f"syscalls,saved in part,{CALLS - lost}\n" in done.stdout, done.stderr
    assert f"syscalls,lost,{lost}\n" in done.stdout
    whole = pq.read_table(io.BytesIO(content))
    before = groups.row_group(0).num_rows
    expected = pa.concat_tables([whole.slice(0, before), whole.slice(before + lost)])
    assert pq.read_table(io.BytesIO(member(saved, "syscalls.parquet")[1])).equals(expected)
    with bpfrec.open(saved) as opened:
        told = opened.sql("SELECT severity, count, remedy FROM losses WHERE remedy LIKE 'syscalls:%'").fetchall()
    ((severity, count, remedy),) = told
    assert (severity, count) == ("data_loss", lost)
    assert f"{CALLS - lost:,} rows were saved, those in 1 damaged row group were not" in remedy


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=4))
@example([(0, 1)])
def test_rows_of_a_damaged_table_are_as_they_were(changes: list[tuple[int, int]]) -> None:
    content, whole = bytearray(WHOLE), pq.read_table(io.BytesIO(WHOLE))
    for at, value in changes:
        content[at % len(content)] ^= value
    made = io.BytesIO()
    found = whole_row_groups(io.BytesIO(content), 0, len(content), SYSCALLS, made)
    after = pq.read_table(io.BytesIO(made.getvalue()))
    assert after.num_rows == found.rows <= CALLS
    # Each row names itself by its number.
    kept = whole.filter(pc.is_in(whole["event_id"], after["event_id"]))
    assert after.drop_columns(LATE).equals(kept.drop_columns(LATE))
    for name in LATE:
        assert all(
            value in (was, None) for value, was in zip(after[name].to_pylist(), kept[name].to_pylist(), strict=True)
        )


def test_a_table_without_checksums_is_not_believed_in_part() -> None:
    made, table = io.BytesIO(), pq.read_table(io.BytesIO(WHOLE))
    with pq.ParquetWriter(made, table.schema, compression="zstd", write_page_checksum=False) as writer:
        writer.write_table(table)
    content = made.getvalue()
    assert whole_row_groups(io.BytesIO(content), 0, len(content), SYSCALLS, io.BytesIO()).rows == 0


def test_a_footer_with_one_chunk_many_times_costs_no_more_time() -> None:
    length, _ = TAIL.unpack(WHOLE[-TAIL.size :])
    footer = read_struct(WHOLE[-TAIL.size - length : -TAIL.size])
    groups = footer.get(4).values
    groups[:] = groups[:1] * 200
    raw = write_struct(footer)
    content = WHOLE[: -TAIL.size - length] + raw + TAIL.pack(len(raw), MAGIC)
    found = whole_row_groups(io.BytesIO(content), 0, len(content), SYSCALLS, io.BytesIO())
    # No more bytes are read than the file has.
    assert found.lost is None
    assert found.rows < 100 * GROUP


def test_a_text_of_megabytes_in_all_rows_is_not_unpacked() -> None:
    made, table, rows = io.BytesIO(), pq.read_table(io.BytesIO(WHOLE)), 50_000
    columns = [pa.nulls(rows, field.type) for field in written_schema(SYSCALLS)]
    place = table.column_names.index("comm")
    columns[place] = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * (1 << 20)])
    with parquet_writer(SYSCALLS, made) as writer:
        writer.write_table(pa.table(columns, schema=written_schema(SYSCALLS)))
    content = made.getvalue()
    assert len(content) < 1 << 20
    found = whole_row_groups(io.BytesIO(content), 0, len(content), SYSCALLS, io.BytesIO())
    assert (found.rows, found.lost) == (0, 1)

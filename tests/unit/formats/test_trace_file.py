"""formats/trace_writer.py and trace_reader.py: a trace comes back as written, or is refused with a message."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpfrec.formats.arrow import arrow_schema
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.manifest import MANIFEST, Clock, Host, Manifest, parse_manifest
from bpfrec.formats.schema import FORMAT_VERSION, LOSSES, STACKS, SYSCALLS, TABLES, TIMESPECS
from bpfrec.formats.trace_reader import TraceReader
from bpfrec.formats.trace_writer import TraceWriter

LOSS = {
    "kind": "ring-full",
    "severity": "data_loss",
    "cpu": 1,
    "ts_ns": 5,
    "count": 2**40,
    "remedy": "less",
    "until_ns": 6,
    "pid": 7,
    "tid": None,
}


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "tool_version": "0.1",
        "command_line": ["bpfrec", "record"],
        "configuration": {"pids": [1]},
        "host": Host("host", "6.1", "x86_64", 4096, 2, 1 << 32),
        "clock": Clock(5, 6, 0),
        "start_ns": 5,
        "stop_ns": 10,
        "stopped": "SIGINT",
        "counters": {"lost": 0},
        "syscalls": {"read": 1},
    }
    return Manifest(**values | changes)


def write(target: Path, owner: tuple[int, int] | None = None) -> Path:
    folder = target.parent / f"{target.name}.parts"
    folder.mkdir()
    writer = TraceWriter(folder)
    writer.write_rows(LOSSES, [LOSS])
    size = writer.finish(manifest(), target, owner)
    assert size == target.stat().st_size, "the summary line would show a wrong size"
    shutil.rmtree(folder)
    return target


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("trace") / "t.bpfrec")


def losses_in(path: Path) -> list[dict[str, Any]]:
    with TraceReader(path) as reader:
        parquet = reader.parquet(LOSSES)
        assert parquet is not None, "the table is listed and not found"
        rows: list[dict[str, Any]] = pq.read_table(parquet).to_pylist()
        return rows


def test_written_is_read(trace: Path) -> None:
    assert losses_in(trace) == [LOSS]
    with TraceReader(trace) as reader:
        read = reader.manifest
    rare = ("binaries", "binary_parts", "log_lines", "sched", "signals", "thread_tables", "uring", "uring_closes")
    usual = [t for t in TABLES if t.name not in rare]
    assert {t: e.rows for t, e in read.tables.items()} == {t.name: int(t is LOSSES) for t in usual}
    read.tables = {}
    assert read == manifest(failures={})


def test_the_unzipped_folder_serves_too(trace: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(trace) as archive:
        assert {m.compress_type for m in archive.infolist()} == {zipfile.ZIP_STORED}, "Parquet compresses already"
        archive.extractall(tmp_path)
    assert losses_in(tmp_path) == [LOSS]


def test_a_trace_is_its_owners_alone(tmp_path: Path) -> None:
    trace = write(tmp_path / "t.bpfrec")
    assert oct(trace.stat().st_mode & 0o777) == "0o600", "a trace holds what processes passed to the kernel"


def test_copies_go_away(trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert losses_in(trace) == [LOSS]
    assert list(tmp_path.iterdir()) == [], "reading left files behind"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_refused_or_right(trace: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(trace.read_bytes())
    # Most of the file is empty tables: aim at the directory at its end and the headers of members as well.
    directory = content.rfind(b"PK\x01\x02", 0, content.find(b"PK\x01\x02") + 4)
    aims = [st.integers(0, len(content) - 1), st.integers(directory, len(content) - 1)]
    aims.append(st.sampled_from([m.header_offset + i for m in zipfile.ZipFile(trace).infolist() for i in range(60)]))
    at = data.draw(st.one_of(aims))
    damage = data.draw(st.one_of(st.binary(min_size=1, max_size=4), st.just(bytes(40)), st.just(b"\xff" * 40)))
    content[at : at + len(damage)] = damage[: len(content) - at]
    damaged = tmp_path / "damaged.bpfrec"
    damaged.write_bytes(content)
    try:
        found = losses_in(damaged)
    except TraceFileError:
        return
    assert found == [LOSS], f"{len(damage)} bytes at {at} changed the data and nobody noticed"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_short_is_refused(trace: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = trace.read_bytes()
    cut = tmp_path / "cut.bpfrec"
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(TraceFileError):
        losses_in(cut)


def rezipped(trace: Path, target: Path, compression: int = zipfile.ZIP_STORED, **changes: bytes | None) -> Path:
    with zipfile.ZipFile(trace) as old, zipfile.ZipFile(target, "w", compression) as new:
        for member in old.namelist():
            content = changes.get(member.split(".")[0], old.read(member))
            if content is not None:
                new.writestr(member, content)
    return target


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"losses": None}, "losses.parquet"),
        ({"losses": b"PAR1 no longer"}, "checksum"),
        ({"manifest": None}, "not a bpfrec trace"),
        ({"manifest": b"{}"}, "not a bpfrec trace"),
        ({"manifest": b"[" * 100_000}, "not JSON"),
        ({"manifest": b'{"format": "bpfrec", "format_version": "1"}'}, "format_version"),
        ({"manifest": b'{"format": "bpfrec", "format_version": 1}'}, "lacks a part"),
    ],
)
def test_what_is_missing_or_wrong_is_named(trace: Path, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(TraceFileError, match=said):
        losses_in(rezipped(trace, tmp_path / "changed.bpfrec", **changes))


def test_compressed_members_are_refused(trace: Path, tmp_path: Path) -> None:
    with pytest.raises(TraceFileError, match="name the folder"):
        losses_in(rezipped(trace, tmp_path / "compressed.bpfrec", zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("path", ["nothing", "text", "folder"])
def test_what_is_no_trace_is_refused_with_help(tmp_path: Path, path: str) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TraceFileError) as refused:
        TraceReader(tmp_path / path)
    assert str(tmp_path / path) in refused.value.message
    assert refused.value.hint, "the message does not say what to do"


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(manifest().to_json()) | changes)


def test_a_newer_format_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(TraceFileError, match="pip install --upgrade"):
        parse_manifest(changed(format_version=FORMAT_VERSION + 1, host="of another kind"), "t")


def test_what_a_newer_bpfrec_adds_is_ignored() -> None:
    entry = {"rows": 1, "bytes": 2, "sha256": "ab", "colour": "blue"}
    text = changed(
        new_key=1, tables={"new_table": entry}, clock={"monotonic_ns": 5, "wall_ns": 6, "utc_offset_s": 0, "x": 1}
    )
    assert parse_manifest(text, "t").tables["new_table"].rows == 1


@pytest.mark.parametrize(
    "change",
    [
        {"start_ns": "5"},
        {"start_ns": 2**70},
        {"start_ns": None},
        {"counters": {"lost": "none"}},
        {"counters": []},
        {"tables": []},
        {"tables": {"losses": 5}},
        {"host": None},
        {"clock": {"monotonic_ns": 1}},
        {"command_line": "bpfrec"},
        {"stopped": "\ud800"},
    ],
)
def test_wrong_parts_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TraceFileError):
        parse_manifest(changed(**change), "t")


def test_many_rows_are_written_in_order(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path)
    rows = [{"stack_id": i, "pid": 1, "ts_ns": i, "depth": 1, "status": "root"} for i in range(40_000)]
    writer.write_rows(STACKS, rows)
    writer.finish(manifest(), tmp_path / "t.bpfrec", None)
    with TraceReader(tmp_path / "t.bpfrec") as reader:
        parquet = reader.parquet(STACKS)
        assert parquet is not None
        assert pq.read_table(parquet)["stack_id"].to_pylist() == list(range(40_000))
    assert MANIFEST in zipfile.ZipFile(tmp_path / "t.bpfrec").namelist()


def codes(*names: str | None) -> pa.Array:
    return pa.array(names, pa.string()).dictionary_encode()


@pytest.mark.parametrize(
    "status",
    [
        pa.chunked_array([pa.array(["null", None, "unreadable", "null"])]),
        pa.chunked_array([codes("null", None, "unreadable", "null")]),
        pa.chunked_array([codes("null", None), codes("unreadable", "null")]),
    ],
    ids=["text", "codes", "codes of several kinds"],
)
def test_text_comes_as_text_or_as_codes_and_is_read_as_text(tmp_path: Path, status: pa.ChunkedArray) -> None:
    numbers = {"event_id": pa.array(range(4)), "arg": pa.array([1] * 4, pa.int16())}
    numbers |= {name: pa.array([5, None, None, 7], pa.int64()) for name in ("tv_sec", "tv_nsec")}
    writer = TraceWriter(tmp_path)
    writer.write(TIMESPECS, pa.table({**numbers, "status": status}))
    writer.finish(manifest(), tmp_path / "t.bpfrec", None)
    with TraceReader(tmp_path / "t.bpfrec") as reader:
        parquet = reader.parquet(TIMESPECS)
        assert parquet is not None
        read = pq.read_table(parquet)
        assert read.schema.equals(arrow_schema(TIMESPECS)), "other readers would see other types"
        assert read["status"].to_pylist() == ["null", None, "unreadable", "null"]
        chunk = pq.ParquetFile(parquet).metadata.row_group(0).column(4)
        assert "RLE_DICTIONARY" in chunk.encodings, "the names are stored once for every row"


def test_a_trace_of_nothing_is_small(tmp_path: Path) -> None:
    size = TraceWriter(tmp_path).finish(manifest(), tmp_path / "t.bpfrec", None)
    assert size < 9_600, "short recordings are mostly the descriptions of their tables"


def test_a_folder_whose_name_is_not_utf_8_takes_a_trace(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    folder.mkdir()
    TraceWriter(folder).finish(manifest(), folder / "t.bpfrec", None)
    with TraceReader(folder / "t.bpfrec") as reader:
        assert reader.parquet(SYSCALLS) is not None


def test_row_groups_can_be_skipped_by_number_and_time(tmp_path: Path) -> None:
    rows = {c.name: pa.nulls(3, arrow_schema(SYSCALLS).field(c.name).type) for c in SYSCALLS.columns}
    rows |= {name: pa.array([4, 5, 6]) for name in ("event_id", "ts_ns")}
    writer = TraceWriter(tmp_path)
    writer.write(SYSCALLS, pa.table(rows))
    writer.finish(manifest(), tmp_path / "t.bpfrec", None)
    with TraceReader(tmp_path / "t.bpfrec") as reader:
        parquet = reader.parquet(SYSCALLS)
        assert parquet is not None
        group = pq.ParquetFile(parquet).metadata.row_group(0)
    assert [(group.column(i).statistics.min, group.column(i).statistics.max) for i in (0, 1)] == [(4, 6)] * 2


def test_a_member_larger_than_the_manifest_says_is_not_copied(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    large = rezipped(trace, tmp_path / "large.bpfrec", losses=bytes(10 << 20))
    with TraceReader(large) as reader:
        with pytest.raises(TraceFileError, match="10,485,760 bytes"):
            reader.parquet(LOSSES)
        (copies,) = tmp_path.glob("bpfrec-*")
        assert [file.name for file in copies.iterdir()] == [".lock"]


def test_a_manifest_beyond_all_measure_is_refused(trace: Path, tmp_path: Path) -> None:
    text = changed(counters={f"counter{i}": i for i in range(1_000_000)}).encode()
    assert len(text) > 16 << 20
    with pytest.raises(TraceFileError, match="absurdly large"):
        TraceReader(rezipped(trace, tmp_path / "large.bpfrec", manifest=text))


@pytest.mark.parametrize("zip64", [False, True])
def test_a_zip_of_a_hundred_thousand_names_is_refused_unread(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zip64: bool
) -> None:
    many = tmp_path / "many.bpfrec"
    shutil.copy(trace, many)
    with zipfile.ZipFile(many, "a") as archive:
        if zip64:
            monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
        for number in range(100 if zip64 else 30_000):
            archive.writestr(f"{number}" + "x" * (20_000 if zip64 else 0), b"")
    assert (b"PK\x06\x06" in many.read_bytes()) == zip64
    with pytest.raises(TraceFileError, match="zip directory"):
        TraceReader(many)


@pytest.mark.parametrize("member", ["manifest.json", "losses.parquet"])
@pytest.mark.parametrize("kind", ["link", "pipe", "device"])
def test_a_folder_of_links_pipes_and_devices_is_refused(trace: Path, tmp_path: Path, member: str, kind: str) -> None:
    with zipfile.ZipFile(trace) as archive:
        archive.extractall(tmp_path)
    place = tmp_path / member
    elsewhere = tmp_path / "elsewhere"
    place.rename(elsewhere)
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(elsewhere if kind == "link" else "/dev/zero")
    with pytest.raises(TraceFileError, match=member):
        losses_in(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no flock there")
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = "import sys, time; from bpfrec.formats.temporary import TemporaryFolder as T; t = T(); print(t.name); "
    run = {"stdout": subprocess.PIPE, "env": os.environ | {"TMPDIR": str(tmp_path)}, "text": True}
    other = tmp_path / "bpfrec-of-somebody-else"
    other.mkdir()
    with subprocess.Popen([sys.executable, "-uc", code + "time.sleep(600)"], **run) as living:
        killed = Path(living.stdout.readline().strip())
        (killed / "copy").write_text("x")
        beside = subprocess.run([sys.executable, "-uc", code], check=True, **run).stdout.strip()
        assert killed.is_dir(), "it was removed while its process lives"
        assert not Path(beside).exists()
        living.kill()
        living.wait()
        assert (killed / "copy").exists()
        subprocess.run([sys.executable, "-uc", code], check=True, **run)
        assert list(tmp_path.iterdir()) == [other]

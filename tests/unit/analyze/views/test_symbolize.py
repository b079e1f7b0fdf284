"""--symbols and saved binaries: what debug files say of frames goes first, and no file of another build does."""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stripped_build import Build
from support.trace_builder import TraceBuilder

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.views.symbolized import DebugFiles
from bpfrec.bpf.sideband import Mapping
from bpfrec.formats import schema
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.finish.saved_binaries import BinaryWriter
from bpfrec.record.stacks.modules import Modules

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("gcc", "objcopy")), reason="needs gcc and objcopy"
)

QUERY = "SELECT symbol, symbol_offset, file, line FROM frames ORDER BY depth"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(tmp_path_factory.mktemp("it"))


@pytest.fixture
def symbols(it: Build, tmp_path: Path) -> Path:
    folder = tmp_path / "symbols"
    folder.mkdir()
    shutil.copy(it.debug, folder / "any-name")
    return folder


def frames(builder: TraceBuilder, it: Build, **columns: Any) -> TraceBuilder:
    """Two frames in ``hidden``: interrupted there, and returning to there."""
    for depth, behind in ((0, 0), (1, 1)):
        row = {
            "stack_id": 0,
            "depth": depth,
            "ip": 0x7F00_0000_0000 + it.hidden + 4 + behind,
            "module": "/bin/it",
            "module_address": it.hidden + 4,
            "build_id": it.build_id,
            "source": "cfi",
        }
        builder.add(schema.FRAMES, **(row | columns))
    return builder


def test_a_debug_file_names_functions_and_lines(it: Build, symbols: Path, tmp_path: Path) -> None:
    trace = frames(TraceBuilder(), it).write(tmp_path / "it.bpfrec")
    source = str(it.program.parent / "it.c")
    with bpfrec.open(trace, symbols=[symbols]) as found:
        assert found.sql(QUERY).fetchall() == [("hidden", 4, source, 2), ("hidden", 5, source, 2)]
        assert found.remarks == []
    with bpfrec.open(trace) as found:
        assert found.sql(QUERY).fetchall() == [(None, None, None, None)] * 2


def test_what_the_recorder_found_stays_where_nothing_better_is_known(it: Build, symbols: Path, tmp_path: Path) -> None:
    builder = frames(TraceBuilder(), it, symbol="shown", symbol_offset=77, file="/x.c", line=9)
    builder = frames(builder, it, symbol="elsewhere", symbol_offset=8, file="/y.c", line=3, build_id="ab" * 20)
    with bpfrec.open(builder.write(tmp_path / "it.bpfrec"), symbols=[symbols]) as found:
        rows = found.sql("SELECT symbol, symbol_offset, line FROM frames ORDER BY build_id, depth").fetchall()
    ours, other = [("hidden", 4, 2), ("hidden", 5, 2)], [("elsewhere", 8, 3)] * 2
    assert rows == (ours + other if it.build_id < "ab" * 20 else other + ours)


def test_a_stripped_file_does_not_go_before_what_the_recorder_found(it: Build, tmp_path: Path) -> None:
    (tmp_path / "symbols").mkdir()
    shutil.copy(it.program, tmp_path / "symbols" / "it")
    builder = frames(TraceBuilder(), it, symbol="hidden", symbol_offset=4, file="/x.c", line=9)
    with bpfrec.open(builder.write(tmp_path / "it.bpfrec"), symbols=[tmp_path / "symbols"]) as found:
        assert found.sql(QUERY).fetchall() == [("hidden", 4, "/x.c", 9)] * 2


def test_another_build_is_told_and_changes_nothing(it: Build, tmp_path: Path) -> None:
    Build(tmp_path / "symbols", 3)
    with bpfrec.open(frames(TraceBuilder(), it).write(tmp_path / "it.bpfrec"), symbols=[tmp_path / "symbols"]) as found:
        assert found.sql(QUERY).fetchall() == [(None, None, None, None)] * 2
        assert len(found.remarks) == 1


def debug_files(trace: Trace) -> DebugFiles:
    """What looks for debug files, as soon as it is asked."""
    return trace.engine._catalog._library._debug


@pytest.mark.parametrize(
    "query",
    ["SELECT count(*) FROM syscalls", "SELECT module, count(*) FROM frames GROUP BY 1", "SELECT count(*) FROM frames"],
)
def test_a_question_that_needs_no_symbols_looks_for_none(it: Build, symbols: Path, tmp_path: Path, query: str) -> None:
    with bpfrec.open(frames(TraceBuilder(), it).write(tmp_path / "it.bpfrec"), symbols=[symbols]) as found:
        found.sql(query).fetchall()
        assert "_folders" not in vars(debug_files(found)), "the folder was looked at for nothing"
        found.sql("SELECT symbol FROM frames").fetchall()
        assert "_folders" in vars(debug_files(found))


def test_hostile_addresses_and_build_ids_are_survived(it: Build, symbols: Path, tmp_path: Path) -> None:
    builder = TraceBuilder()
    for address in (0, 1 << 63, (1 << 64) - 1, (1 << 62) - 1):
        for build_id in (it.build_id, "../../etc/passwd", "'; DROP TABLE x; --", ""):
            builder = frames(builder, it, module_address=address, build_id=build_id, ip=(1 << 64) - 1 - address)
    builder = frames(builder, it, module_address=None, build_id=it.build_id, ip=None)
    with bpfrec.open(builder.write(tmp_path / "it.bpfrec"), symbols=[symbols]) as found:
        assert {symbol for symbol, *_ in found.sql(QUERY).fetchall()} == {None}


class Held:
    """Modules that hold files by path."""

    def __init__(self, files: dict[str, bytes], build_id: str | None) -> None:
        self.files = {path: io.BytesIO(content) for path, content in files.items()}
        self.id = build_id

    def file(self, mapping: Mapping) -> io.BytesIO | None:
        return self.files.get(mapping.path)

    def build_id(self, _mapping: Mapping) -> str | None:
        return self.id


def saved(tmp_path: Path, files: dict[str, bytes], build_id: str | None, most: int = 1 << 30) -> Path:
    """A trace with frames in ``files``, which are saved in it."""
    builder = TraceBuilder()
    (tmp_path / "folder").mkdir()
    writer = TraceWriter(tmp_path / "folder")
    binaries = BinaryWriter(writer, cast("Modules", Held(files, build_id)), most)
    binaries.write([Mapping(0, 1, 0, 1, 0, path, None, None, None) for path in (*files, *files, "/not/held")])
    builder.counters |= {"saved_binaries": binaries.saved, "left_out": binaries.left_out}
    row = {"stack_id": 0, "module_address": 0x1000, "build_id": build_id}
    writer.write_rows(schema.FRAMES, [row | {"depth": depth, "ip": 0x1000 + depth} for depth in (0, 1)])
    writer.finish(builder.manifest(), tmp_path / "saved.bpfrec", None)
    return tmp_path / "saved.bpfrec"


def test_saved_files_are_whole_and_each_content_is_there_once(tmp_path: Path) -> None:
    large = bytes(range(256)) * 12_000
    files = {"/large": large, "/same": large, "/small": b"small", "/empty": b""}
    trace = saved(tmp_path, files, None)
    with bpfrec.open(trace) as found:
        rows = found.sql("SELECT path, size, sha256, status FROM binaries ORDER BY binary_id").fetchall()
        assert rows == [
            ("/empty", 0, hashlib.sha256(b"").hexdigest(), None),
            ("/small", 5, hashlib.sha256(b"small").hexdigest(), None),
            ("/large", len(large), hashlib.sha256(large).hexdigest(), None),
            ("/same", len(large), hashlib.sha256(large).hexdigest(), "same-as-2"),
        ]
        parts = found.sql("SELECT bytes FROM binary_parts WHERE binary_id = 2 ORDER BY position").fetchall()
        assert b"".join(part for (part,) in parts) == large
        assert found.info["counters"]["saved_binaries"] == 3
    assert trace.stat().st_size < len(large) // 10, "contents are not compressed"


def test_what_is_too_large_is_left_out_and_told(tmp_path: Path) -> None:
    with bpfrec.open(saved(tmp_path, {"/a": bytes(100), "/b": bytes(101), "/c": bytes(300)}, None, 250)) as found:
        assert found.sql("SELECT path, status FROM binaries ORDER BY 1").fetchall() == [
            ("/a", None),
            ("/b", None),
            ("/c", "too-large"),
        ]
        assert found.info["counters"]["left_out"] == 1


def test_saved_files_serve_as_symbols(it: Build, tmp_path: Path) -> None:
    path = saved(tmp_path, {"/bin/it": it.debug.read_bytes()}, it.build_id)
    with bpfrec.open(path) as found:
        folder = found._scratch.path()
        asked = f"SELECT symbol FROM frames WHERE symbol IS NOT NULL OR ip <> {it.hidden}"
        assert found.sql(asked).fetchall() != []
        assert list(Path(folder).glob("binary-*")), "the file was not unpacked"
    assert not Path(folder).exists(), "what was unpacked is left behind"


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_forged_parts_never_raise(it: Build, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = it.debug.read_bytes()
    builder = frames(TraceBuilder(), it)
    numbers = st.sampled_from([-1, 0, 1, 2**31 - 1, None])
    for _ in range(data.draw(st.integers(1, 3))):
        size = data.draw(st.sampled_from([len(content), 0, -1, 2**62, None]))
        ids = st.sampled_from([it.build_id, "../x", None])
        builder.add(schema.BINARIES, binary_id=data.draw(numbers), build_id=data.draw(ids), size=size, path="\x1b[31m")
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.sampled_from([0, len(content), -5, 2**62, None]))
        part = data.draw(st.sampled_from([content, content[:5000], b"", None]))
        builder.add(schema.BINARY_PARTS, binary_id=data.draw(numbers), position=position, bytes=part)
    with bpfrec.open(builder.write(tmp_path_factory.mktemp("forged") / "it.bpfrec")) as found:
        assert {symbol for symbol, *_ in found.sql(QUERY).fetchall()} <= {None, "hidden"}


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(100)])
def test_a_saved_file_that_is_no_program_has_no_symbols(tmp_path: Path, content: bytes) -> None:
    with bpfrec.open(saved(tmp_path, {"/bin/script": content}, "ab12")) as found:
        assert found.query("SELECT symbol, file FROM frames").rows == [(None, None)] * 2


def test_a_small_trace_does_not_unpack_to_gigabytes(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    writer = TraceWriter(tmp_path / "folder")
    parts = 200
    row = {"path": "/a", "build_id": "ab12", "size": parts << 20}
    writer.write_rows(schema.BINARIES, [row | {"binary_id": 0}])
    same = pa.array([bytes(1 << 20)]).dictionary_encode()
    columns = [pa.array([0] * parts, pa.int32()), pa.array([i << 20 for i in range(parts)], pa.int64())]
    columns.append(pa.DictionaryArray.from_arrays(pa.array([0] * parts, pa.int32()), same.dictionary))
    names = [column.name for column in schema.BINARY_PARTS.columns]
    writer.write(schema.BINARY_PARTS, pa.Table.from_arrays(columns, names))
    writer.write_rows(schema.FRAMES, [{"stack_id": 0, "depth": 0, "ip": 1, "module_address": 1, "build_id": "ab12"}])
    trace = tmp_path / "bomb.bpfrec"
    writer.finish(TraceBuilder().manifest(), trace, None)
    assert trace.stat().st_size < 1 << 20
    with bpfrec.open(trace) as found:
        assert found.query("SELECT symbol FROM frames").rows == [(None,)]
        assert found.remarks == ["saved binaries are left out: they would be far larger than the trace"]
        unpacked = sum(file.stat().st_size for file in Path(found._scratch.path()).glob("binary-*"))
        assert unpacked <= 64 << 20

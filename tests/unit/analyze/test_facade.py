from __future__ import annotations

import ctypes
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import trace_builder
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.names.columns import NamedCalls
from bpfrec.analyze.views.tables import syscall_view
from bpfrec.formats import schema
from bpfrec.formats.kernel.syscalls import syscalls

CONTRACT = [
    "event_id",
    "ts",
    "ts_ns",
    "duration_ns",
    "pid",
    "tid",
    "comm",
    "uid",
    "cpu",
    "nr",
    "syscall",
    "arg0",
    "arg1",
    "arg2",
    "arg3",
    "arg4",
    "arg5",
    "ret",
    "errno",
    "path",
    "path2",
    "stack_id",
    "abi",
    "path_status",
    "path2_status",
    "unfinished",
    "entry_status",
    "stack_status",
    "resolved_path",
    "resolved_path2",
    "resolved_reason",
]


@pytest.fixture
def lab1(lab1_trace):
    with bpfrec.open(lab1_trace) as trace:
        yield trace


@pytest.fixture
def folder(lab1_trace, tmp_path) -> Path:
    """The lab's trace, unzipped where the path itself looks like a pattern and like a partition."""
    target = tmp_path / "pid=7" / "a[1]*?'x"
    with zipfile.ZipFile(lab1_trace) as archive:
        archive.extractall(target)
    return target


def rewrite(folder: Path, table: str, change) -> None:
    file = folder / f"{table}.parquet"
    pq.write_table(change(pq.read_table(file, partitioning=None)), file)


def test_syscalls_has_the_columns_of_the_contract(lab1):
    relation = lab1.sql("FROM syscalls")
    assert relation.columns == CONTRACT
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert types == {c.name: c.sql_type for c in schema.SYSCALLS.columns} | {
        "ts": "TIMESTAMP_NS",
        **dict.fromkeys(("resolved_path", "resolved_path2", "resolved_reason"), "VARCHAR"),
    }


def test_ts_is_the_wall_clock_to_the_nanosecond(tmp_path):
    builder = TraceBuilder()
    builder.call("close", 123_456_789, 3)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert trace.query("SELECT ts FROM syscalls").rows == [("2026-08-01T10:00:00.123456789",)]
        assert trace.query("SELECT ts FROM syscalls").arrow()["ts"].cast(pa.int64()).to_pylist() == [
            1_785_578_400_123_456_789
        ]


def test_a_query_unpacks_only_what_it_names(lab1):
    lab1.query("SELECT count(*) FROM processes")
    assert list(lab1._reader._tables) == ["processes"]


def test_a_folder_is_read_as_the_file_is(folder, lab1):
    with Trace(folder) as trace:
        assert trace.query("FROM syscalls").rows == lab1.query("FROM syscalls").rows


def test_an_older_trace_has_null_columns_and_empty_tables(folder):
    rewrite(
        folder, "syscalls", lambda t: t.drop_columns(["path2", "stack_id"]).append_column("newer", pa.nulls(t.num_rows))
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["tables"]["losses"]
    manifest["newer"] = {"x": 1}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with Trace(folder) as trace:
        assert trace.sql("FROM syscalls").columns == CONTRACT
        assert trace.query("SELECT count(*), count(path2), any_value(typeof(stack_id)) FROM syscalls").rows == [
            (61, 0, "BIGINT")
        ]
        assert trace.query("FROM losses").rows == []
        assert trace.loss_notes() == []


def test_a_column_of_another_type_is_an_error_with_a_message(folder):
    rewrite(folder, "syscalls", lambda t: t.set_column(3, "pid", pa.array(["one"] * t.num_rows)))
    with Trace(folder) as trace, pytest.raises(bpfrec.BpfrecError, match="column pid is of type VARCHAR, not INTEGER"):
        trace.query("SELECT pid FROM syscalls")


def test_damaged_parquet_names_the_table(folder):
    (folder / "syscalls.parquet").write_bytes(b"PAR1 nothing PAR1")
    with Trace(folder) as trace, pytest.raises(bpfrec.BpfrecError, match="syscalls is damaged"):
        trace.query("FROM syscalls")


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT len/1024, count(*) FROM sys.mmap GROUP BY 1 ORDER BY 1", [(4, 1), (8, 1)]),
        ("SELECT fd, prot FROM sys.mmap ORDER BY event_id LIMIT 1", [(2**64 - 1, 3)]),
        ("SELECT dfd, filename, flags, mode FROM sys.openat LIMIT 1", [(-100, "/tmp/out file", 0o2101, 0o644)]),
        ("SELECT arg_pid, sig, pid FROM SYS.kill", [(99, -9, 4242)]),
        ('SELECT fd, count FROM "sys"."write" ORDER BY 2', [(1, 12), (1, 13), (1, 14)]),
        ("SELECT DISTINCT rqtp, rqtp_tv_sec, rqtp_tv_nsec FROM sys.clock_nanosleep", [(0x7FFC0000, 0, 1000)]),
        ("SELECT arg0, arg5, errno FROM sys.unknown_999", [(1, 6, "ENOSYS")]),
        ("SELECT count(*) FROM sys.openat2", [(0,)]),
        ("USE sys; SELECT count(*) FROM mmap", [(2,)]),
    ],
)
def test_sys_views(lab1, query, answer):
    assert lab1.query(query).rows == answer


@pytest.mark.slow
def test_every_syscall_has_a_view_with_its_arguments_and_a_comment_for_every_column(lab1):
    for call in syscalls().values():
        view = syscall_view(call.name, NamedCalls(None, (), lambda: None))
        columns = [column.name for column in view.columns]
        if not call.captures:  # test_captures_beside_strace makes the others
            assert lab1.sql(f"FROM sys.{call.name} LIMIT 0").columns == columns
        for name in [a.name for a in call.arguments] if call.arguments is not None else [f"arg{i}" for i in range(6)]:
            assert name in columns or f"arg_{name}" in columns
        assert {"event_id", "ts", "comm", "ret", "errno", "path", "path2", "stack_id"} <= set(columns)
        assert len({c.lower() for c in columns}) == len(columns)
        assert all(c.comment for c in view.columns)


@pytest.mark.parametrize(
    ("macro", "reference"),
    [("c_int", ctypes.c_int32), ("c_uint", ctypes.c_uint32), ("c_ushort", ctypes.c_uint16), ("c_long", ctypes.c_int64)],
)
def test_casts_are_those_of_c(lab1, macro, reference):
    for value in (0, 1, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 100, 2**64 - 1):
        assert lab1.query(f"SELECT {macro}({value}::UBIGINT)").rows == [(reference(value).value,)]


def test_a_number_out_of_range_has_a_view(tmp_path):
    builder = TraceBuilder()
    builder.call("unknown_-1", 0, 1, 2, 3, 4, 5, 6, ret=-38)
    builder.call("unknown_4294967295", 1, ret=-38)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        rows = trace.query('SELECT arg5, call_text FROM sys."unknown_-1"').rows
        assert rows == [(6, "unknown_-1(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)")]
        assert trace.query("SELECT count(*) FROM sys.unknown_4294967295").rows == [(1,)], "so older traces name it"
        names = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'sys' ORDER BY 1"
        assert trace.query(names).rows == [("unknown_-1",), ("unknown_4294967295",)]


def test_other_abis_stay_out_of_sys_views(tmp_path):
    builder = TraceBuilder()
    builder.call("openat", 0, -100, path="/a")
    builder.call("openat", 1, -100, path="/b", abi="i386")
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert trace.query("SELECT path FROM sys.openat").rows == [("/a",)]
        assert trace.query("SELECT path FROM syscalls WHERE syscall = 'openat' ORDER BY 1").rows == [("/a",), ("/b",)]


def test_the_catalog_lists_every_view_with_comments(lab1):
    rows = lab1.query("SELECT schema_name || '.' || table_name, comment FROM duckdb_columns() WHERE NOT internal").rows
    views = {view for view, _ in rows}
    assert views >= {f"main.{t.name}" for t in schema.TABLES} | {"main.recording", "sys.openat", "sys.unknown_999"}
    assert all(comment for _, comment in rows)


def test_samples_have_wall_clock_times_as_calls_have(tmp_path):
    builder = TraceBuilder()
    builder.call("close", 7 * MS, 3)
    builder.add(schema.SAMPLES, ts_ns=START_NS + 7 * MS, pid=1, tid=1, comm="a", uid=0, cpu=0, kernel_stack_id=0)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert trace.query("FROM samples LIMIT 0").columns[:3] == ["ts", "ts_ns", "pid"]
        assert trace.query("SELECT syscall FROM samples JOIN syscalls USING (ts, ts_ns)").rows == [("close",)]


def test_names_in_the_manifest_that_are_no_syscalls_make_no_views(tmp_path):
    builder = TraceBuilder()
    builder.call("close", 0, 3)
    manifest = builder.manifest()
    manifest.syscalls |= {"x\" AS SELECT 1; COPY (SELECT 1) TO '/tmp/x'; --": 1, "unknown_1; DROP VIEW syscalls": 1}
    with Trace(builder.write(tmp_path / "t.bpfrec", manifest)) as trace:
        names = trace.query("SELECT view_name FROM duckdb_views() WHERE schema_name = 'sys'").rows
        assert names == [("close",)]


def test_nothing_is_fetched_from_elsewhere(lab1):
    settings = lab1.query("SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions'").rows
    assert sorted(settings) == [("autoinstall_known_extensions", "false"), ("autoload_known_extensions", "false")]
    secret = [1]  # noqa: F841 - a Python variable must not be a table
    with pytest.raises(bpfrec.BpfrecError, match="secret"):
        lab1.query("FROM secret")


def test_info(lab1, lab1_trace):
    info = lab1.info
    assert info["file"] == str(lab1_trace)
    assert info["size_bytes"] == lab1_trace.stat().st_size
    assert (info["start"], info["duration_ns"], info["calls"]) == ("2026-08-01T10:00:00.000000000", 2 * 10**9, 61)
    assert info["counters"] == {"recorded": 61, "lost": 0}
    assert info["syscalls"]["openat"] == 26


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start_ns", "now"),
        ("stop_ns", 10**30),
        ("stop_ns", 2**62 * 2 - 1),
        ("counters", {"lost": "none"}),
        ("command_line", "rm -rf"),
        ("syscalls", {"open": None}),
        ("clock", {"monotonic_ns": 0, "wall_ns": "0", "utc_offset_s": 0}),
        ("tables", {"syscalls": {"rows": 1}}),
    ],
)
def test_a_manifest_with_wrong_parts_is_refused(folder, key, value):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest[key] = value
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(bpfrec.BpfrecError), Trace(folder) as trace:
        trace.query("FROM syscalls")


def test_a_manifest_of_brackets_is_refused(folder):
    (folder / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(bpfrec.BpfrecError, match="JSON"):
        Trace(folder)


def test_close_removes_copies(lab1_trace):
    with Trace(lab1_trace) as trace:
        trace.query("FROM syscalls")
        copies = trace._reader._copies.path()
        assert copies.is_dir()
    assert not copies.exists()


def test_results_as_dictionaries_and_arrow(lab1):
    result = lab1.query("SELECT pid, comm, 1.5::DOUBLE AS d, NULL AS n FROM processes ORDER BY pid LIMIT 1")
    assert result.dicts() == [{"pid": 99, "comm": "cat", "d": 1.5, "n": None}]
    assert result.arrow().to_pylist() == result.dicts()
    assert result.arrow().schema.field("pid").type == pa.int32()


def test_hostile_strings_reach_the_user_whole(hostile_trace):
    with Trace(hostile_trace) as trace:
        assert trace.info["host"].startswith(trace_builder.ESCAPES)
        assert trace.query("SELECT DISTINCT comm[:20] FROM syscalls").rows == [(trace.info["host"][:20],)]


def test_a_long_answer_is_not_held(lab1):
    result = lab1.query("SELECT range AS i FROM range(10_000)", lazy=True)
    assert not isinstance(result.source, list)
    records = result.records()
    assert next(records) == {"i": 0}
    records.close()
    assert lab1.query("SELECT count(*) FROM syscalls").rows == [(len(lab1.query("FROM syscalls").rows),)], (
        "an answer read in part stands in the way of the next query"
    )
    assert len(result.rows) == 10_000


def test_an_answer_that_fails_on_the_way_says_so(lab1):
    result = lab1.query(
        "SELECT CASE WHEN range < 5000 THEN 1 ELSE error('too far') END AS i FROM range(10_000)", lazy=True
    )
    with pytest.raises(bpfrec.BpfrecError, match="too far"):
        list(result.records())
    assert lab1.query("SELECT 1").rows == [(1,)]


def test_what_needs_more_memory_goes_to_a_private_folder_that_is_removed(lab1_trace, tmp_path, monkeypatch):
    monkeypatch.setenv("BPFREC_MEMORY_LIMIT", "64MB")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wide = "SELECT range AS i, md5(range::VARCHAR) AS a, md5((range + 1)::VARCHAR) AS b FROM range(1_000_000)"
    with Trace(lab1_trace) as trace:
        assert trace.query("SELECT count(*) FROM syscalls").rows
        folders = [Path(value) for (value,) in trace.query("SELECT current_setting('temp_directory')").rows]
        trace.query("SET threads = 1; SELECT 1")  # every thread needs some for itself
        records = trace.query(f"FROM ({wide}) ORDER BY a, b", lazy=True).records()
        assert next(records)["a"] == "0000104cd168386a335ba6bf6e32219d", "the answer is wrong"
        assert sum(file.stat().st_size for file in folders[0].iterdir()) > 1 << 20, "nothing was put aside"
        records.close()
        assert folders[0].parent == tmp_path
        assert folders[0].stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_memory_limit_is_named(lab1_trace, monkeypatch):
    monkeypatch.setenv("BPFREC_MEMORY_LIMIT", "lots'; --")
    with Trace(lab1_trace) as trace, pytest.raises(bpfrec.BpfrecError, match="BPFREC_MEMORY_LIMIT") as refused:
        trace.query("SELECT 1")
    assert "8GB" in refused.value.hint


@pytest.mark.grid
@pytest.mark.parametrize("view", [None, "SYS.openat", "openat", "syscalls", "main.frames", "nothing"])
def test_the_schema_says_what_duckdb_says(lab1, view):
    listed = lab1.schema(view)
    assert listed.rows == lab1.query(listed.sql).rows
    assert bool(listed.rows) == (view != "nothing")
    assert listed.columns == lab1.query(listed.sql).columns


def test_a_schema_makes_no_views(lab1):
    lab1.schema()
    assert lab1.engine._catalog._made == {}


def test_a_hundred_thousand_calls_that_no_kernel_has_are_listed_in_part_and_found_in_full(tmp_path):
    builder = TraceBuilder()
    builder.call("unknown_99999", 0, ret=-38)
    builder.call("close", 1)
    manifest = builder.manifest()
    manifest.syscalls |= {f"unknown_{number}": 1 for number in range(100_000)}
    with Trace(builder.write(tmp_path / "t.bpfrec", manifest)) as trace:
        assert sorted({view for view, *_ in trace.schema().rows if view.startswith("sys.")})[:2] == [
            "sys.close",
            "sys.unknown_0",
        ]
        assert len(trace.query("FROM duckdb_views() WHERE schema_name = 'sys'").rows) == 101
        assert trace.query("SELECT count(*) FROM sys.unknown_99999").rows == [(1,)]
        assert trace.query("USE sys; SELECT count(*) FROM unknown_99999").rows == [(1,)]

"""formats/salvage.py: what is whole in a trace that was cut short or damaged comes back, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import trace_builder
from support.program import run_bpfrec

import bpfrec
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.manifest import MANIFEST
from bpfrec.formats.salvage import salvage
from bpfrec.formats.trace_reader import TraceReader, table_rows

OLD = Path(__file__).parents[3] / "sample_traces" / "formats" / "format-1.bpfrec"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trace_builder.lossy().write(tmp_path_factory.mktemp("trace") / "t.bpfrec")


def tables(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".parquet"): archive.read(name) for name in archive.namelist() if name != MANIFEST}


def test_the_manifest_is_the_first_member(trace: Path) -> None:
    with zipfile.ZipFile(trace) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == MANIFEST
        assert archive.infolist()[0].header_offset == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_is_whole_in_a_file_cut_short_is_saved(trace: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = trace.read_bytes()
    cut, saved = tmp_path / "cut.bpfrec", tmp_path / "saved.bpfrec"
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    saved.unlink(missing_ok=True)
    before = tables(trace)
    try:
        found = salvage(cut, saved)
    except TraceFileError:
        assert not saved.exists()
        with zipfile.ZipFile(trace) as archive:
            first = archive.infolist()[1]
        assert cut.stat().st_size < first.header_offset + first.file_size + 200
        return
    with TraceReader(trace) as whole, TraceReader(saved) as reader:
        assert not [fault for _, fault in reader.verify() if fault]
        rows = table_rows(whole.manifest)
        assert found.has_manifest
        assert reader.manifest.host == whole.manifest.host
    after = tables(saved)
    for name in found.kept:
        assert name == "losses" or after[name] == before[name], "a table that is kept is kept as it was"
    assert set(found.missing) == {name for name in rows if name not in found.kept and rows[name]}
    assert all(found.missing[name] == rows[name] for name in found.missing)


def test_what_is_missing_is_counted(trace: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(trace) as archive:
        cut_at = archive.getinfo("processes.parquet").header_offset + 10
    (tmp_path / "cut.bpfrec").write_bytes(trace.read_bytes()[:cut_at])
    found = salvage(tmp_path / "cut.bpfrec", tmp_path / "saved.bpfrec")
    assert found.missing == {"processes": 2, "threads": 1}
    with bpfrec.open(tmp_path / "saved.bpfrec") as saved, bpfrec.open(trace) as whole:
        missing = saved.sql(
            """
            SELECT kind, severity, count, split_part(remedy, ':', 1) FROM losses
            WHERE kind = 'table-missing' ORDER BY ALL
            """
        ).fetchall()
        assert missing == [
            ("table-missing", "notice", 1, "threads"),
            ("table-missing", "notice", 2, "processes"),
        ]
        assert saved.sql("SELECT count(*) FROM losses").fetchall() == [(3 + 2,)]
        calls = "SELECT * EXCLUDE (resolved_path, resolved_path2, resolved_reason) FROM syscalls"
        assert saved.sql(calls).fetchall() == whole.sql(calls).fetchall()
        assert saved.report("syscount").rows == whole.report("syscount").rows


def test_a_damaged_table_is_left_out_and_calls_count_as_lost(trace: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(trace) as archive:
        at = archive.getinfo("syscalls.parquet").header_offset + 500
    content = bytearray(trace.read_bytes())
    content[at] ^= 0xFF
    (tmp_path / "bad.bpfrec").write_bytes(content)
    done = run_bpfrec("analyze", "-i", tmp_path / "bad.bpfrec", "info", "--verify", "--format", "csv")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines()[1:] if not line.endswith(",ok")] == [
        next(line for line in done.stdout.splitlines() if line.startswith("syscalls,"))
    ]
    found = salvage(tmp_path / "bad.bpfrec", tmp_path / "saved.bpfrec")
    assert list(found.missing) == ["syscalls"]
    with bpfrec.open(tmp_path / "saved.bpfrec") as saved:
        assert "table-missing" in saved.loss_notes()[0]
        assert saved.sql("SELECT count(*) FROM losses").fetchall() == [(4,)]


def test_a_trace_whose_manifest_is_gone_still_has_its_calls(tmp_path: Path) -> None:
    """As in files of older versions, which have it at their end."""
    (tmp_path / "cut.bpfrec").write_bytes(OLD.read_bytes()[:-20_000])
    found = salvage(tmp_path / "cut.bpfrec", tmp_path / "saved.bpfrec")
    assert not found.has_manifest
    with bpfrec.open(tmp_path / "saved.bpfrec") as saved, bpfrec.open(OLD) as whole:
        query = "SELECT syscall, count(*) FROM syscalls GROUP BY 1 ORDER BY 1"
        assert saved.sql(query).fetchall() == whole.sql(query).fetchall()
        assert saved.manifest.syscalls == whole.manifest.syscalls
        assert saved.manifest.host.name == ""


def test_every_checksum_is_compared(trace: Path, tmp_path: Path) -> None:
    done = run_bpfrec("analyze", "-i", trace, "info", "--verify", "--format", "json")
    assert done.returncode == 0
    with zipfile.ZipFile(trace) as archive:
        archive.extractall(tmp_path)
        assert done.stdout.count('"ok"') == len(archive.namelist()) - 1
    (tmp_path / "threads.parquet").unlink()
    (tmp_path / "stacks.parquet").write_bytes((tmp_path / "stacks.parquet").read_bytes() + b"x")
    bad = run_bpfrec("analyze", "-i", tmp_path, "info", "--verify", "--format", "csv")
    assert bad.returncode == 1
    assert [line.split(",")[0] for line in bad.stdout.splitlines()[1:] if not line.endswith(",ok")] == [
        "stacks",
        "threads",
    ]


def test_nothing_is_replaced(trace: Path, tmp_path: Path) -> None:
    (tmp_path / "saved.bpfrec").write_text("mine")
    with pytest.raises(FileExistsError):
        salvage(trace, tmp_path / "saved.bpfrec")
    assert (tmp_path / "saved.bpfrec").read_text() == "mine"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), starts=st.booleans())
def test_any_bytes_are_refused_or_saved(tmp_path: Path, content: bytes, starts: bool) -> None:
    (tmp_path / "any").write_bytes(b"PK\x03\x04" * starts + content)
    with pytest.raises(TraceFileError):
        salvage(tmp_path / "any", tmp_path / "saved")

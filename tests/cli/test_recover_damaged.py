"""``bpfrec recover`` of a trace that is damaged: what is whole is saved under another name, and the rest is listed."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from support import trace_builder
from support.program import run_bpfrec, start_bpfrec

import bpfrec


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A trace that ends within its table of processes."""
    whole = trace_builder.lossy().write(tmp_path / "whole.bpfrec")
    with zipfile.ZipFile(whole) as archive:
        end = archive.getinfo("processes.parquet").header_offset + 10
    damaged = tmp_path / "cut.bpfrec"
    damaged.write_bytes(whole.read_bytes()[:end])
    return damaged


def test_what_is_whole_is_saved_and_the_rest_is_listed(cut: Path, tmp_path: Path) -> None:
    before, saved = cut.read_bytes(), tmp_path / "saved.bpfrec"
    done = start_bpfrec("recover", cut, "-o", saved, "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = {row["table"]: (row["state"], row["rows"]) for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {name: row for name, row in rows.items() if row[0] == "lost"} == {
        "processes": ("lost", "2"),
        "threads": ("lost", "1"),
    }
    assert rows["losses"][0] == "saved", "they stand before the tables that may be long"
    with bpfrec.open(saved) as trace, bpfrec.open(tmp_path / "whole.bpfrec") as whole:
        (calls,) = trace.sql("SELECT count(*) FROM syscalls").fetchall()[0]
        assert [(calls,)] == whole.sql("SELECT count(*) FROM syscalls").fetchall()
        assert rows["syscalls"] == ("saved", str(calls))
        lost = trace.sql("SELECT sum(count)::INT FROM losses WHERE kind = 'table-missing'").fetchall()
        assert lost == [(2 + 1,)]
    assert cut.read_bytes() == before
    assert saved.stat().st_mode & 0o777 == 0o600


def test_a_damaged_trace_is_never_written_over(cut: Path) -> None:
    before = cut.read_bytes()
    without = run_bpfrec("recover", cut)
    assert (without.returncode, "-o OTHER.bpfrec" in without.stderr) == (1, True)
    over = run_bpfrec("recover", cut, "-o", cut, "--force")
    assert (over.returncode, "the damaged trace itself" in over.stderr) == (1, True)
    assert cut.read_bytes() == before


def test_another_file_is_replaced_with_force_only(cut: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bpfrec"
    other.write_text("mine")
    refused = run_bpfrec("recover", cut, "-o", other)
    assert (refused.returncode, "--force" in refused.stderr) == (1, True)
    assert other.read_text() == "mine"
    assert run_bpfrec("recover", cut, "-o", other, "--force").returncode == 0
    assert zipfile.is_zipfile(other)


@pytest.mark.usefixtures("cut")
def test_a_whole_trace_has_nothing_to_save(tmp_path: Path) -> None:
    done = run_bpfrec("recover", tmp_path / "whole.bpfrec", "-o", tmp_path / "saved.bpfrec")
    assert (done.returncode, "is whole" in done.stderr) == (1, True)
    assert not (tmp_path / "saved.bpfrec").exists()


@pytest.mark.parametrize("options", [(), ("-o", "saved.bpfrec")])
def test_what_is_no_trace_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "notes.txt").write_text("no trace")
    done = run_bpfrec("recover", tmp_path / "notes.txt", *options, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]

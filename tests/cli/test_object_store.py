"""Traces in an object store: the same answers as of the file here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs
import pytest
from support.large_trace import write_large_trace
from support.object_store import object_store, put
from support.program import run_bpfrec
from support.web import Served, serve

import bpfrec
from bpfrec.formats.errors import BpfrecError, TraceFileError

SAMPLE = Path(__file__).parents[2] / "sample_traces" / "build.bpfrec"


@pytest.fixture(scope="module")
def store() -> Iterator[pyarrow.fs.S3FileSystem]:
    with object_store() as made:
        yield made


def test_a_report_of_the_command_line(store: pyarrow.fs.S3FileSystem) -> None:
    uri = put(store, "build.bpfrec", SAMPLE.read_bytes())
    here = run_bpfrec("report", "failed-opens", str(SAMPLE), "--format", "csv")
    assert run_bpfrec("report", "failed-opens", "-i", uri, "--format", "csv").stdout == here.stdout
    assert run_bpfrec("report", uri, "failed-opens", "--format", "csv").stdout == here.stdout
    assert uri in run_bpfrec("analyze", "info", "-i", uri).stdout


def test_what_is_replaced_or_goes(store: pyarrow.fs.S3FileSystem, tmp_path: Path) -> None:
    large = write_large_trace(tmp_path / "large.bpfrec", 20)
    uri = put(store, "large.bpfrec", large.read_bytes())
    with bpfrec.open(uri) as trace, bpfrec.open(large) as here:
        query = "SELECT sum(duration_ns) FROM syscalls"
        assert trace.query(query).rows == here.query(query).rows
        put(store, "large.bpfrec", large.read_bytes()[:-1] + b"\1")
        with pytest.raises(BpfrecError, match="replaced while it was read"):
            trace.query("SELECT max(arg2) FROM syscalls")
        store.delete_file("traces/large.bpfrec")
        with pytest.raises(BpfrecError, match="no such trace"):
            trace.query("SELECT max(arg2) FROM syscalls")


def test_what_is_not_there(store: pyarrow.fs.S3FileSystem) -> None:
    for uri in ("s3://traces/none.bpfrec", "s3://none/none.bpfrec"):
        with pytest.raises(TraceFileError, match="no such trace"):
            bpfrec.open(uri)
    ran = run_bpfrec("report", "syscount", "-i", "s3://traces/none.bpfrec")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("bpfrec: s3://traces/none.bpfrec: no such trace\n")
    with pytest.raises(TraceFileError, match="no address of a store"):
        bpfrec.open("s3:///x")
    put(store, "empty.bpfrec", b"")
    with pytest.raises(TraceFileError, match="empty"):
        bpfrec.open("s3://traces/empty.bpfrec")


def test_refused_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Served(b"", fail=[403] * 20)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address.rpartition("/a/")[0])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        with pytest.raises(TraceFileError, match="access is refused") as caught:
            bpfrec.open("s3://traces/x.bpfrec")
        assert "AWS_ACCESS_KEY_ID" in caught.value.hint

"""Traces in Google Cloud Storage, of which an emulator is asked: the same answers as of the file here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs
import pytest
from support.large_trace import write_large_trace
from support.program import run_bpfrec

import bpfrec
from bpfrec.formats.errors import BpfrecError, TraceFileError

SAMPLE = Path(__file__).parents[2] / "sample_traces" / "build.bpfrec"


class Store:
    """The emulator with the bucket ``traces``."""

    def __init__(self, port: int) -> None:
        self._at = f"127.0.0.1:{port}"
        self.system = pyarrow.fs.GcsFileSystem(anonymous=True, scheme="http", endpoint_override=self._at)

    def address(self, key: str) -> str:
        return f"gs://anonymous@traces/{key}?scheme=http&endpoint_override={self._at}"

    def put(self, key: str, content: bytes) -> str:
        with self.system.open_output_stream(f"traces/{key}") as target:
            target.write(content)
        return self.address(key)


EMULATOR = """
from gcp_storage_emulator.server import create_server
server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="traces")
server.start()
print(server._api._httpd.server_address[1], flush=True)
"""
"""It is a process of its own: what holds Python's lock while it asks would wait for itself."""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with subprocess.Popen([sys.executable, "-c", EMULATOR], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Store(int(server.stdout.readline()))
        finally:
            server.kill()


def test_ranges_are_read_and_changes_are_seen(store: Store, tmp_path: Path) -> None:
    large = write_large_trace(tmp_path / "large.bpfrec", 20)
    with bpfrec.open(store.put("large.bpfrec", large.read_bytes())) as trace, bpfrec.open(large) as here:
        assert trace.report("syscount").rows == here.report("syscount").rows
        assert 0 < trace.reads[0] < large.stat().st_size / 5
        assert trace.info["file"] == "gs://traces/large.bpfrec"
        store.put("large.bpfrec", large.read_bytes()[:-1] + b"\1")
        with pytest.raises(BpfrecError, match="replaced while it was read"):
            trace.query("SELECT max(arg2) FROM syscalls")
    with pytest.raises(TraceFileError, match="no such trace"):
        bpfrec.open(store.address("none.bpfrec"))


def test_a_fleet_below_a_prefix(store: Store, tmp_path: Path) -> None:
    store.put("fleet/build.bpfrec", SAMPLE.read_bytes())
    index = tmp_path / "fleet.parquet"
    made = run_bpfrec("fleet", "index", store.address("fleet/"), "-o", index)
    assert "1 traces; 1 were read" in made.stderr
    done = run_bpfrec("fleet", "report", "syscount", "--top", "1", "--fleet", index, "--format", "csv")
    assert done.stdout == "trace,syscall,count\ngs://traces/fleet/build.bpfrec,lseek,769\n"

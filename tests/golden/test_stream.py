"""The text of the report stream, byte for byte; ``UPDATE_GOLDEN=1 pytest tests/golden`` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

from bpfrec.formats import schema

HERE = Path(__file__).parent
CASES = {"stream.txt": "report stream", "stream-hex.txt": "report stream --by descriptor --hex"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = TraceBuilder()
    builder.add(schema.PROCESSES, pid=4242, ppid=1, cwd="/", root="/", snapshot_ns=START_NS)
    for fd, target, name in ((3, "/srv/page", None), (5, "socket:[9]", "TCP 127.0.0.1:80->127.0.0.1:5000")):
        builder.add(schema.DESCRIPTORS, pid=4242, fd=fd, target=target, name=name, flags=2, ts_ns=START_NS)

    def copied(event: int, data: bytes, size: int, status: str | None = None) -> None:
        builder.add(schema.DATA, event_id=event, arg=1, bytes=data, size=size, status=status)

    copied(builder.call("recvfrom", MS, 5, 1, 100, 0, 0, 0, ret=19, took=5 * MS), b"GET / HTTP/1.0\r\n\r\n\0", 19)
    page = b"A long line that does not fit into a terminal, so that it has to be folded.\n\nEnd\n"
    copied(builder.call("read", 7 * MS, 3, 1, 4096, ret=len(page)), page, len(page))
    copied(builder.call("sendto", 8 * MS, 5, 1, 3000, 0, 0, 0, ret=3000), b"HTTP/1.0 200 OK\n", 3000, "truncated")
    builder.call("sendfile", 9 * MS, 5, 3, 0, 500, ret=500)
    builder.call("recvfrom", 10 * MS, 5, 1, 100, 0, 0, 0, ret=0)
    folder = tmp_path_factory.mktemp("golden")
    builder.write(folder / "trace.bpfrec")
    return folder


@pytest.mark.parametrize("file", CASES)
def test_golden(folder: Path, file: str) -> None:
    done = run_bpfrec("analyze", *CASES[file].split(), cwd=folder, columns=80)
    assert done.returncode == 0, done.stderr
    if os.environ.get("UPDATE_GOLDEN"):
        (HERE / file).write_text(done.stdout, "utf-8")
    assert done.stdout == (HERE / file).read_text("utf-8")

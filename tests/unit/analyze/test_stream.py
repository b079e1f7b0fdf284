"""The report stream: what went through descriptors, in the order in which it moved, and what is not known of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.stream_lines import stream_lines
from bpfrec.formats import schema
from bpfrec.formats.errors import ReportError

FILE, LISTENER, PEER, PIPE = 3, 4, 5, 6


def moved(builder: TraceBuilder, name: str, at: int, *args: int, data: bytes | None = None, **columns: object) -> int:
    """A call, and what was copied of the bytes that it moved."""
    status = columns.pop("status", None)
    event = builder.call(name, at, *args, **columns)  # type: ignore[arg-type]
    if data is not None or status is not None:
        builder.add(schema.DATA, event_id=event, arg=1, bytes=data, size=columns["ret"], status=status)
    return event


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server that reads a request, which takes it 5 ms, answers from a file, and copies another into the socket."""
    builder = TraceBuilder()
    builder.add(schema.PROCESSES, pid=4242, ppid=1, cwd="/", root="/", snapshot_ns=START_NS)
    for fd, target, name in (
        (FILE, "/srv/page", None),
        (PEER, "socket:[9]", "TCP 127.0.0.1:80->127.0.0.1:5000"),
        (PIPE, "pipe:[7]", None),
    ):
        builder.add(schema.DESCRIPTORS, pid=4242, fd=fd, target=target, name=name, flags=2, ts_ns=START_NS)
    moved(builder, "recvfrom", 1 * MS, PEER, 0x10, 100, 0, 0, 0, data=b"GET /\r\n", ret=7, took=5 * MS)
    moved(builder, "write", 2 * MS, PIPE, 0x10, 5, data=b"early", ret=3)
    moved(builder, "read", 7 * MS, FILE, 0x10, 100, data=b"line 1\nline 2\x1b[31m\n", ret=19)
    moved(builder, "sendto", 8 * MS, PEER, 0x10, 3000, 0, 0, 0, data=b"x" * 16, ret=3000, status="truncated")
    moved(builder, "sendto", 9 * MS, PEER, 0x10, 10, 0, 0, 0, data=b"0123456789", ret=10)
    moved(builder, "sendfile", 10 * MS, PEER, FILE, 0, 500, ret=500)
    moved(builder, "writev", 11 * MS, PEER, 0x10, 2, ret=40, status="unreadable")
    moved(builder, "recvfrom", 12 * MS, PEER, 0x10, 9, 2, 0, 0, data=b"peek", ret=4)
    moved(builder, "recvfrom", 13 * MS, PEER, 0x10, 9, 0, 0, 0, data=b"peek", ret=4)
    moved(builder, "recvfrom", 14 * MS, PEER, 0x10, 9, 0, 0, 0, data=b"", ret=0)
    moved(builder, "read", 15 * MS, FILE, 0x10, 100, ret=-5)
    moved(builder, "sendmmsg", 16 * MS, PEER, 0x10, 2, ret=2)
    return builder.write(tmp_path_factory.mktemp("stream") / "t.bpfrec")


def test_transfers_are_in_the_order_in_which_bytes_moved(target: Path) -> None:
    with bpfrec.open(target) as trace:
        rows = trace.report("stream").dicts()
    assert [(row["syscall"], row["direction"], row["fd"], row["bytes"], row["position"]) for row in rows] == [
        ("write", "sent", PIPE, 3, 0),
        ("recvfrom", "received", PEER, 7, 0),
        ("read", "received", FILE, 19, 0),
        ("sendto", "sent", PEER, 3000, 0),
        ("sendto", "sent", PEER, 10, 3000),
        ("sendfile", "sent", PEER, 500, 3010),
        ("sendfile", "received", FILE, 500, 19),
        ("writev", "sent", PEER, 40, 3510),
        ("recvfrom", "received", PEER, 4, 7),
        ("recvfrom", "received", PEER, 4, 7),
        ("recvfrom", "received", PEER, 0, 11),
        ("sendmmsg", "sent", PEER, None, 3550),
    ]
    assert [row["peeked"] for row in rows].count(True) == 1
    assert rows[0]["data"] == b"ear", "what was passed, but not written, did not move"
    assert [row["data_status"] for row in rows[3:8]] == ["truncated", None, "not-copied", "not-copied", "unreadable"]
    assert rows[-1]["messages"] == 2


def test_streams_are_put_together(target: Path) -> None:
    with bpfrec.open(target) as trace:
        by = {key: trace.report("stream", by=key).dicts() for key in ("descriptor", "peer", "file")}
        only = trace.report("stream", fd=PEER, received=True).dicts()
        with pytest.raises(ReportError, match="nothing"):
            trace.report("stream", sent=True, received=True)
    assert [row["stream"] for row in by["descriptor"]] == [1] + [2] * 9 + [3] * 2
    assert {row["name"] for row in by["file"]} == {"/srv/page"}
    assert {row["peer"] for row in by["peer"]} == {"TCP 127.0.0.1:5000"}
    assert [row["bytes"] for row in only] == [7, 4, 4, 0]


def test_the_text_says_what_is_not_there(target: Path) -> None:
    lines = run_bpfrec("analyze", "-i", target, "report", "stream", columns=80).stdout.splitlines()
    assert lines[:7] == [
        f"10:00:00.002000 > 3 bytes  server 4242 fd {PIPE} pipe:[7]",
        "  | ear",
        f"10:00:00.006000 < 7 bytes  server 4242 fd {PEER} TCP 127.0.0.1:80->127.0.0.1:5000",
        "  | GET /\\x0d",
        f"10:00:00.007001 < 19 bytes  server 4242 fd {FILE} /srv/page",
        "  | line 1",
        "  | line 2\\x1b[31m",
    ]
    missing = [line.strip() for line in lines if line.strip().startswith("[")]
    assert [line.split(" are ")[0] for line in missing] == [
        "[2,984 more bytes",
        "[500 bytes",
        "[500 bytes",
        "[40 bytes",
        "[the contents",
    ]
    assert max(map(len, lines)) <= 80
    assert all(map(str.isprintable, lines))


def test_bytes_as_hexdump_shows_them(target: Path) -> None:
    arguments = ("report", "stream", "--hex", "--fd", str(PEER), "--sent", "--to", "10ms")
    lines = run_bpfrec("analyze", "-i", target, *arguments).stdout.splitlines()
    row = "30 31 32 33 34 35 36 37  38 39                    |0123456789|"
    assert f"00000bb8  {row}" in lines


@given(st.lists(st.binary(min_size=1, max_size=70), min_size=1, max_size=4))
def test_hexdump_has_every_byte_at_its_place(pieces: list[bytes]) -> None:
    rows, position = [], 0
    for piece in pieces:
        rows.append(ROW | {"bytes": len(piece), "data": piece, "position": position})
        position += len(piece)
    found = bytearray(position)
    for line in stream_lines(rows, None, True, 80):
        if line[8:10] == "  ":
            assert len(line) <= 80
            digits = bytes.fromhex(line[10:58])
            found[int(line[:8], 16) : int(line[:8], 16) + len(digits)] = digits
    assert bytes(found) == b"".join(pieces)


ROW = {
    "moved_ts": "2026-08-01T10:00:00.000000000",
    "comm": "a",
    "tid": 1,
    "fd": 3,
    "name": "/f",
    "direction": "sent",
    "stream": 1,
    "syscall": "write",
    "messages": None,
    "peeked": False,
    "data_status": None,
}


@given(st.text().map(str.encode) | st.binary(), st.integers(24, 100))
def test_lines_of_text_are_kept_and_printable(data: bytes, width: int) -> None:
    lines = list(stream_lines([ROW | {"bytes": len(data), "data": data, "position": 0}], None, False, width))
    assert [printable(line) for line in lines] == lines
    wanted = data.decode("utf-8", "backslashreplace").removesuffix("\n").count("\n") + 1 if data else 0
    assert sum(line.startswith("  |") for line in lines) == wanted


@pytest.mark.parametrize("width", range(24, 32))
def test_no_line_ends_within_an_escape(width: int) -> None:
    data = bytes(range(256)).replace(b"\n", b"").replace(b"\\", b"") + "\u202e".encode() * 9
    lines = list(stream_lines([ROW | {"bytes": len(data), "data": data, "position": 0}], None, False, width))
    lines = [line for line in lines if line.startswith(("  | ", "  : "))]
    assert max(map(len, lines)) <= width
    for line in lines:
        assert re.fullmatch(r"  [|:] (?:[^\\]|\\x[0-9a-f]{2}|\\u[0-9a-f]{4})*", line), line
    whole = list(stream_lines([ROW | {"bytes": len(data), "data": data, "position": 0}], None, False, None))[-1]
    assert "".join(line[4:] for line in lines).replace(" ", "") == whole[4:].replace(" ", "")


def test_a_trace_without_contents(tmp_path: Path) -> None:
    builder = TraceBuilder()
    builder.call("write", 0, 1, 0x10, 5, ret=5)
    target = builder.write(tmp_path / "t.bpfrec")
    done = run_bpfrec("analyze", "-i", target, "report", "stream")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--data N" in done.stderr
    done = run_bpfrec("analyze", "-i", target, "report", "stream", "--format", "json")
    assert [(row["bytes"], row["data"], row["data_status"]) for row in json.loads(done.stdout)] == [
        (5, None, "not-copied")
    ]
    assert "--data N" in done.stderr

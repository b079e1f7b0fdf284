"""What the report summary finds wrong in a trace, and what it does not; what it says threads spent their time in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.analyze.render.pages import summary_page
from bpfrec.formats import schema

OFTEN = "1,000 times a second"
NO_CALLS = "a ring with a thread of the kernel needs none"


@pytest.fixture
def builder() -> TraceBuilder:
    builder = TraceBuilder()
    builder.add(schema.PROCESSES, pid=4242, ppid=1, comm="server")
    builder.add(schema.THREADS, tid=4242, pid=4242, comm="server")
    return builder


def section(builder: TraceBuilder, folder: Path, name: str, **options: Any) -> list[tuple[str, ...]]:
    """Name, value and detail of the rows of a section; without the name of the process in findings."""
    with bpfrec.open(builder.write(folder / "t.bpfrec")) as trace:
        rows = [row for row in trace.report("summary", top=50, **options).dicts() if row["section"] == name]
    if name == "findings":
        assert {row["name"] for row in rows} <= {"server (4242)"}
        assert all(row["command"].startswith("bpfrec report ") for row in rows)
        return [(row["value"], row["detail"]) for row in rows]
    return [(row["name"], row["value"], row["detail"]) for row in rows]


def missing(builder: TraceBuilder, times: int) -> None:
    for i in range(times):
        builder.call("openat", i * MS, -100, 1, 0, 0, ret=-2, path="/etc/x.conf")


def again_and_again(builder: TraceBuilder) -> None:
    missing(builder, 20)


def no_room(builder: TraceBuilder) -> None:
    builder.call("write", MS, 3, 1, 1, ret=-28)
    builder.call("openat", 2 * MS, -100, 1, 0, 0, ret=-28, path="/full/a")
    builder.call("openat", 3 * MS, -100, 1, 0, 0, ret=-28, path="/full/a")


def refused_by_a_peer(builder: TraceBuilder) -> None:
    builder.call("connect", MS, 3, 1, 16, ret=-111)


def not_permitted(builder: TraceBuilder) -> None:
    builder.call("openat", MS, -100, 1, 0, 0, ret=-13, path="/root/secret")


def killed(builder: TraceBuilder) -> None:
    builder.rows["processes"][0] |= {"end_ns": START_NS + 500 * MS, "signal": 11}
    builder.call("getpid", MS)


def stuck(builder: TraceBuilder) -> None:
    builder.call("openat", 500 * MS, -100, 1, 0, 0, ret=None, path="/net/a", unfinished="recording-stopped")


def slow_file(builder: TraceBuilder) -> None:
    builder.call("unlink", MS, 1, path="/big", took=300 * MS)


def slow_disk(builder: TraceBuilder) -> None:
    builder.call("fsync", MS, 3, took=300 * MS)
    builder.call("fdatasync", 500 * MS, 3, took=300 * MS)


def spinning(builder: TraceBuilder) -> None:
    for i in range(200):
        builder.call("recvfrom", i * MS, 3, 1, 1, 0, 0, 0, ret=-11, took=MS)


def by_the_clock(builder: TraceBuilder) -> None:
    for i in range(200):
        builder.call("epoll_wait", i * MS, 3, 1, 1, 1, ret=0, took=MS)


def byte_by_byte(builder: TraceBuilder) -> None:
    for i in range(1_000):
        builder.call("read", i * MS // 2, 3, 1, 1, ret=1, took=MS // 2)


def refused_by_a_filter(builder: TraceBuilder) -> None:
    builder.call("getpid", MS, ret=-1, errno="EPERM", entry_status="refused")


def ring(builder: TraceBuilder) -> None:
    builder.call("io_uring_enter", MS, 3, 1, 0, 0, 0, 0, ret=1)


@pytest.mark.grid
@pytest.mark.parametrize(
    ("make", "finding", "evidence"),
    [
        (
            again_and_again,
            "asks again and again for a file that is not there",
            "20 times ENOENT of openat: /etc/x.conf",
        ),
        (no_room, "ran out of room on a disk", "3 times ENOSPC, most of openat: /full/a"),
        (refused_by_a_peer, "cannot reach a peer", "1 time ECONNREFUSED of connect"),
        (not_permitted, "is not permitted something", "1 time EACCES, most of openat: /root/secret"),
        (killed, "was ended by SIGSEGV", "0.500 s after the start of the recording"),
        (stuck, "was in openat when the recording stopped", "since 1.500 s: /net/a"),
        (slow_file, "waited long for a file", "1 call of unlink, the longest 0.300 s: /big"),
        (slow_disk, "waits for disks", "30 % of its time: 2 calls of fdatasync, fsync"),
        (spinning, "polls: it asks for what is not there yet", f"{OFTEN} EAGAIN of recvfrom in thread 4242"),
        (by_the_clock, "polls: it wakes up by the clock", f"{OFTEN} epoll_wait in thread 4242"),
        (byte_by_byte, "moves few bytes at a time", "1,000 calls of read, 1 byte each"),
        (ring, "hands work to io_uring, which this trace does not have", f"1 call of io_uring_enter; {NO_CALLS}"),
    ],
)
def test_what_looks_wrong_is_found(builder, tmp_path, make, finding, evidence):
    make(builder)
    assert section(builder, tmp_path, "findings") == [(finding, evidence)]


def test_a_trace_that_has_what_a_ring_did_does_not_say_otherwise(builder, tmp_path, monkeypatch):
    ring(builder)
    manifest = builder.manifest()
    manifest.configuration["uring"] = True
    monkeypatch.setattr(builder, "manifest", lambda: manifest)
    assert section(builder, tmp_path, "findings") == []


def test_a_filter_that_refuses_calls_is_found(builder, tmp_path):
    refused_by_a_filter(builder)
    assert ("is refused calls by a seccomp filter", "1 call, most of getpid") in section(builder, tmp_path, "findings")


def healthy(builder: TraceBuilder) -> None:
    missing(builder, 19)
    builder.call("epoll_wait", 100 * MS, 3, 1, 1, 1, ret=1, took=900 * MS)
    builder.call("futex", 1_000 * MS, 1, 0, 0, 0, ret=None, unfinished="recording-stopped")
    for i in range(99):
        builder.call("read", 1_000 * MS + i, 3, 1, 1, ret=-11)
    builder.call("readlink", 1_100 * MS, 1, 2, 3, ret=-22, path="/usr")


def test_nothing_is_wrong_with_waiting_and_a_few_errors(builder, tmp_path):
    healthy(builder)
    assert section(builder, tmp_path, "findings") == []


def test_the_worst_finding_comes_first_and_one_process_is_told_once(builder, tmp_path):
    missing(builder, 30)
    for i in range(40):
        builder.call("openat", i * MS, -100, 1, 0, 0, ret=-2, path="/etc/y.conf")
    no_room(builder)
    found = [evidence for _, evidence in section(builder, tmp_path, "findings")]
    assert found == ["3 times ENOSPC, most of openat: /full/a", "40 times ENOENT of openat: /etc/y.conf"]
    assert section(builder, tmp_path, "findings", pid=1) == []


def test_all_the_time_of_threads_is_told(builder, tmp_path):
    builder.call("nanosleep", 0, 1, 0, took=1_000 * MS)
    builder.call("futex", 1_000 * MS, 1, 0, 0, 0, took=500 * MS)
    builder.call("read", 1_600 * MS, 3, 1, 1, ret=None, unfinished="recording-stopped")
    assert section(builder, tmp_path, "time") == [
        ("sleeping", "50.0 %", "1.000 s in 1 call, most of nanosleep"),
        ("waiting for locks", "25.0 %", "0.500 s in 1 call, most of futex"),
        ("in calls of files and pipes", "20.0 %", "0.400 s in 1 call, most of read"),
        ("in own code, or not running", "5.0 %", "0.100 s"),
    ]


def test_a_long_command_does_not_push_the_other_facts_to_the_right() -> None:
    command = "bpfrec record -- sh -c " + " ".join(["word"] * 20)
    facts = (("file", "t.bpfrec", "9 bytes"), ("command", command, "bpfrec 0.1.0"), ("calls", "12", "6 a second"))
    rows = [{"section": "recording", "name": n, "value": v, "detail": d, "command": None} for n, v, d in facts]
    for width in (None, 200):
        assert [line.rstrip() for line in summary_page(rows, width)] == [
            "Recording:",
            "  file     t.bpfrec  9 bytes",
            "  calls    12        6 a second",
            f"  command  {command}",
            "           bpfrec 0.1.0",
        ]
    narrow = list(summary_page(rows, 80))
    assert narrow[1:3] == ["  file     t.bpfrec  9 bytes", "  calls    12        6 a second"]
    assert max(map(len, narrow)) <= 80

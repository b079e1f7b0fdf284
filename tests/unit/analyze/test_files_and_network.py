from __future__ import annotations

import pytest
from support.program import run_bpfrec
from support.trace_builder import START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema

US = 1_000
"""Calls follow each other, a microsecond apart."""


@pytest.fixture
def builder() -> TraceBuilder:
    """A process of which it is known that it had nothing open when recording began."""
    builder = TraceBuilder()
    builder.add(schema.PROCESSES, pid=4242, ppid=1, cwd="/", root="/", snapshot_ns=START_NS)
    builder.add(schema.THREADS, tid=4242, pid=4242, comm="server")
    return builder


def report(builder: TraceBuilder, tmp_path, name: str, key: str, **options) -> dict:
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        return {row[key]: row for row in trace.report(name, **options).dicts()}


def test_files_know_what_was_read_written_and_failed(builder, tmp_path):
    builder.call("openat", 1 * US, -100, 1, 0, ret=3, path="/in", took=10)
    builder.call("openat", 2 * US, -100, 1, 1, ret=4, path="/out", took=20)
    builder.call("read", 3 * US, 3, 1, 100, ret=60, took=30)
    builder.call("read", 4 * US, 3, 1, 100, ret=0, took=1)
    builder.call("read", 5 * US, 3, 1, 100, ret=-11, took=1)
    builder.call("pread64", 6 * US, 3, 1, 100, 0, ret=-512, took=1)
    builder.call("write", 7 * US, 4, 1, 7, ret=7, took=1)
    builder.call("sendfile", 8 * US, 4, 3, 0, 50, ret=50, took=5)
    builder.call("copy_file_range", 9 * US, 3, 0, 4, 0, 9, 0, ret=9, took=5)
    builder.call("openat", 10 * US, -100, 1, 0, ret=-2, path="/gone", took=2)
    builder.call("stat", 11 * US, 1, 2, ret=-2, path="/gone", took=3)
    builder.call("read", 12 * US, 3, 1, 1, ret=None, unfinished="recording-stopped")
    found = report(builder, tmp_path, "files", "path")
    shown = ("opens", "failures", "bytes_read", "bytes_written", "calls", "total_ns", "processes", "resolved")
    assert {path: tuple(row[name] for name in shown) for path, row in found.items()} == {
        "/in": (1, 1, 119, 0, 8, 53, 1, True),
        "/out": (1, 0, 0, 66, 4, 31, 1, True),
        "/gone": (0, 2, 0, 0, 2, 5, 1, True),
    }
    assert list(found) == ["/in", "/out", "/gone"], "the one that took most time is not first"
    assert list(report(builder, tmp_path, "files", "path", sort="failures")) == ["/gone", "/in", "/out"]
    assert list(report(builder, tmp_path, "files", "path", sort="written", top=1)) == ["/out"]
    assert report(builder, tmp_path, "files", "path", pid=1) == {}


def test_a_file_that_cannot_be_resolved_has_the_path_as_passed(builder, tmp_path):
    builder.call("openat", 1 * US, 77, 1, 0, ret=3, path="relative", took=1)
    builder.call("openat", 2 * US, -100, 1, 0, ret=-14, path_status="unreadable", took=1)
    (row,) = report(builder, tmp_path, "files", "path").values()
    assert (row["path"], row["resolved"], row["opens"]) == ("relative", False, 1)


def connected(builder: TraceBuilder, at: int, fd: int, ret: int, **address) -> None:
    event = builder.call("connect", at * US, fd, 0x5000, 16, ret=ret, took=1)
    builder.add(schema.SOCKADDRS, event_id=event, arg=1, **address)


def test_network_knows_who_was_talked_to(builder, tmp_path):
    here = {"family": 2, "address": "192.0.2.7"}
    for fd, kind in ((3, 1), (4, 1), (5, 2)):
        builder.call("socket", fd, 2, kind, 0, ret=fd, took=1)
    builder.call("socket", 6 * US, 10, 1, 0, ret=6, took=1)
    builder.call("socket", 7 * US, 1, 1, 0, ret=7, took=1)
    connected(builder, 10, 3, 0, **here, port=80)
    connected(builder, 11, 4, -111, **here, port=81)
    connected(builder, 12, 6, -115, family=10, address="2001:db8::1", port=443)
    connected(builder, 13, 7, -2, family=1, address="/run/x")
    builder.call("write", 14 * US, 3, 1, 5, ret=5, took=1)
    builder.call("read", 15 * US, 3, 1, 100, ret=70, took=1)
    builder.call("recvfrom", 16 * US, 3, 1, 100, 0, 0, 0, ret=-11, took=1)
    sent = builder.call("sendto", 17 * US, 5, 1, 9, 0, 0x5000, 16, ret=9, took=1)
    builder.add(schema.SOCKADDRS, event_id=sent, arg=4, **here, port=53)
    builder.call("openat", 18 * US, -100, 1, 0, ret=8, path="/file", took=1)
    builder.call("read", 19 * US, 8, 1, 100, ret=100, took=1)
    found = report(builder, tmp_path, "network", "peer")
    shown = ("protocol", "connects", "accepts", "failures", "bytes_sent", "bytes_received", "calls")
    assert {peer: tuple(row[name] for name in shown) for peer, row in found.items()} == {
        "192.0.2.7:80": ("TCP", 1, 0, 0, 5, 70, 4),
        "192.0.2.7:81": ("TCP", 0, 0, 1, 0, 0, 1),
        "[2001:db8::1]:443": ("TCP", 1, 0, 0, 0, 0, 1),
        "/run/x": ("unix", 0, 0, 1, 0, 0, 1),
        "192.0.2.7:53": ("UDP", 0, 0, 0, 9, 0, 1),
    }
    hosts = report(builder, tmp_path, "network", "peer", hosts=True, sort="sent")
    assert set(hosts) == {"192.0.2.7", "[2001:db8::1]", "/run/x"}


def test_network_knows_who_connected(builder, tmp_path):
    builder.call("socket", 1 * US, 2, 1, 0, ret=3, took=1)
    taken = builder.call("accept4", 2 * US, 3, 0x5000, 0x6000, 0, ret=4, took=1)
    builder.add(schema.SOCKADDRS, event_id=taken, arg=1, family=2, address="198.51.100.9", port=4000)
    builder.call("recvfrom", 3 * US, 4, 1, 100, 0, 0, 0, ret=12, took=1)
    builder.call("accept4", 4 * US, 3, 0, 0, 0, ret=-24, took=1)
    found = report(builder, tmp_path, "network", "peer")
    assert (found["198.51.100.9:4000"]["accepts"], found["198.51.100.9:4000"]["bytes_received"]) == (1, 12)
    assert found[None]["failures"] == 1


@pytest.fixture
def pending(builder) -> TraceBuilder:
    """Six connects that went on after their calls, to ports 1 to 6 by descriptors of the same numbers plus ten."""
    for port in range(1, 7):
        builder.call("socket", port * US, 2, 0o4001, 0, ret=10 + port, took=1)
        connected(builder, 10 + port, 10 + port, -115, family=2, address="192.0.2.7", port=port)
    for fd, error in ((11, 0), (12, 111)):
        event = builder.call("getsockopt", (20 + fd) * US, fd, 1, 4, 0x6000, 0x7000, took=1)
        builder.add(schema.STRUCTS, event_id=event, arg=3, kind="sockopt", word0=error)
    # The second connect says it; data went through; it was closed; and of the last one nothing is known.
    connected(builder, 40, 13, -111, family=2, address="192.0.2.7", port=3)
    builder.call("write", 41 * US, 14, 1, 5, ret=5, took=1)
    builder.call("close", 42 * US, 15, took=1)
    builder.call("write", 43 * US, 15, 1, 5, ret=-9, took=1)
    return builder


def test_a_connect_that_went_on_ends_with_what_is_known_of_it_later(pending, tmp_path):
    found = report(pending, tmp_path, "network", "peer")
    shown = ("connects", "failures", "connects_unknown")
    assert {peer[-1]: tuple(row[name] for name in shown) for peer, row in found.items() if peer} == {
        "1": (1, 0, 0),
        "2": (0, 1, 0),
        "3": (0, 1, 0),
        "4": (1, 0, 0),
        "5": (1, 0, 1),
        "6": (1, 0, 1),
    }


def test_another_option_or_another_process_says_nothing_of_a_connect(builder, tmp_path):
    builder.call("socket", 1 * US, 2, 0o4001, 0, ret=3, took=1)
    connected(builder, 2, 3, -115, family=2, address="192.0.2.7", port=1)
    for columns, option in (({}, 9), ({"pid": 7}, 4)):
        event = builder.call("getsockopt", 3 * US, 3, 1, option, 0x6000, 0x7000, took=1, **columns)
        builder.add(schema.STRUCTS, event_id=event, arg=3, kind="sockopt", word0=111)
    row = report(builder, tmp_path, "network", "peer")["192.0.2.7:1"]
    assert (row["connects"], row["failures"], row["connects_unknown"]) == (1, 0, 1)


def test_bytes_that_are_not_known_are_not_none(builder, tmp_path):
    for fd, port in ((3, 53), (4, 54)):
        builder.call("socket", fd * US, 2, 2, 0, ret=fd, took=1)
        connected(builder, 5 + fd, fd, 0, family=2, address="192.0.2.7", port=port)
    for at, fd in ((20, 3), (21, 4)):
        builder.call("sendmmsg", at * US, fd, 1, 2, 0, ret=2, took=1)
    builder.call("recvmmsg", 22 * US, 3, 1, 2, 0, 0, ret=-11, took=1)
    builder.call("sendto", 23 * US, 4, 1, 9, 0, 0, 0, ret=9, took=1)
    found = report(builder, tmp_path, "network", "peer")
    shown = ("bytes_sent", "messages_sent", "bytes_received", "messages_received", "failures", "calls")
    assert {peer: tuple(row[name] for name in shown) for peer, row in found.items()} == {
        "192.0.2.7:53": (None, 2, 0, 0, 0, 3),
        "192.0.2.7:54": (9, 2, 0, 0, 0, 3),
    }
    text = run_bpfrec("analyze", "-i", tmp_path / "t.bpfrec", "report", "network").stdout.splitlines()
    assert {line.split()[-1][-2:]: line.split()[3] for line in text[2:]} == {"53": "?", "54": "9+"}

"""bpf/sideband.py: perf records in, events out."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from support.ring_bytes import lost, perf_record

from bpfrec.bpf.sideband import Comm, Event, Exit, Fork, Lost, Mapping, parse_events, parse_forks

COMM_EXEC, MMAP_BUILD_ID = 1 << 13, 1 << 14


def padded(text: bytes) -> bytes:
    return text + bytes(8 - len(text) % 8)


def sample_id(pid: int, tid: int, when: int) -> bytes:
    return struct.pack("<IIQ", pid, tid, when)


def parsed(*records: bytes) -> list[Event]:
    return list(parse_events(b"".join(records)))


def mmap2(identity: bytes, path: bytes, misc: int = 0) -> bytes:
    body = struct.pack("<IIQQQ24sII", 5, 6, 0x1000, 0x2000, 0x3000, identity, 5, 2)
    return perf_record(10, body + padded(path) + sample_id(5, 6, 99), misc)


def test_names() -> None:
    body = struct.pack("<II", 5, 6) + padded(b"new name") + sample_id(5, 6, 99)
    assert parsed(perf_record(3, body)) == [Comm(99, 5, 6, "new name", exec=False)]
    assert parsed(perf_record(3, body, COMM_EXEC)) == [Comm(99, 5, 6, "new name", exec=True)]


def test_bytes_in_names_that_are_not_text() -> None:
    body = struct.pack("<II", 5, 6) + padded(b"\xff") + sample_id(5, 6, 99)
    assert parsed(perf_record(3, body)) == [Comm(99, 5, 6, "\\xff", exec=False)], "anybody may name a thread anything"


def test_forks_and_exits() -> None:
    body = struct.pack("<IIIIQ", 20, 10, 21, 11, 99) + sample_id(10, 11, 99)
    assert parsed(perf_record(7, body), perf_record(4, body)) == [Fork(99, 20, 21, 10, 11), Exit(99, 20, 21)]


def test_mappings() -> None:
    device = struct.pack("<IIQQ", 8, 1, 4711, 0)
    assert parsed(mmap2(device, b"/bin/x")) == [Mapping(99, 5, 0x1000, 0x3000, 0x3000, "/bin/x", None, (8, 1), 4711)]
    build_id = bytes([20, 0, 0, 0]) + bytes(range(20))
    found = parsed(mmap2(build_id, b"/bin/x", MMAP_BUILD_ID))
    assert found == [Mapping(99, 5, 0x1000, 0x3000, 0x3000, "/bin/x", bytes(range(20)).hex(), None, None)]


def test_losses_and_kinds_that_are_not_used() -> None:
    assert parsed(perf_record(99, bytes(8)), lost(7)) == [Lost(7)]


def test_a_record_without_a_size_ends_it() -> None:
    assert parsed(lost(1), bytes(64)) == [Lost(1)], "reading must end where the data is damaged"


@given(st.sampled_from((2, 3, 4, 7, 10)), st.integers(0, 12).map(lambda words: bytes(words * 8)))
def test_a_record_that_is_too_short_is_left_out(kind: int, body: bytes) -> None:
    found = parsed(perf_record(kind, body), lost(7))
    assert found[-1] == Lost(7), "a spool that is damaged in one place must still be readable behind it"


@given(st.binary(max_size=200))
def test_damaged_bytes_give_no_error(data: bytes) -> None:
    assert len(list(parse_events(data))) <= len(data) // 8
    assert len(list(parse_forks(data))) <= len(data) // 8

"""record/decode/captures.py: bytes that calls point at in, rows of timespecs, structs, sockaddrs and exec_args out."""

from __future__ import annotations

import socket
import struct
from itertools import zip_longest
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.formats.columns import Table
from bpfrec.formats.kernel.captures import MOST_WORDS
from bpfrec.formats.kernel.sockaddr import SocketAddress, parse_sockaddr
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.schema import ARRAYS, DATA, EXEC_ARGS, SOCKADDRS, STRINGS, STRUCTS, TIMESPECS
from bpfrec.record.decode.arrays import passed_descriptors
from bpfrec.record.decode.calls import call_rows

POINTER = 0x7F00_0000_1000
EFAULT = 14


def native(name: str) -> int:
    return syscalls()[name].numbers["x86_64"]


def rows(table: Table, *records: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Rows of ``table``, each with the number of the call that it belongs to."""
    sides = [side for side in call_rows(ring_bytes.decode(*records)).captures if side.table is table]
    return [row for side in sides for row in zip(side.calls.tolist(), side.rows.to_pylist(), strict=True)]


def data(arg: int, raw: bytes, captured: int | None = None) -> bytes:
    return ring_bytes.extra(wire.KIND_DATA, raw, arg=arg, captured=captured)


def test_timespecs() -> None:
    sleep = native("clock_nanosleep")
    found = rows(
        TIMESPECS,
        ring_bytes.call(native("getpid")),
        ring_bytes.call(sleep, args=(1, 0, POINTER, 0), inline=struct.pack("<qq", 1, 250_000_000)),
        ring_bytes.call(sleep, args=(1, 0, POINTER, 0), captured=-EFAULT),
        ring_bytes.call(sleep, args=(1, 0, 0, 0), captured=-EFAULT),
    )
    assert found == [
        (1, {"arg": 2, "tv_sec": 1, "tv_nsec": 250_000_000, "status": None}),
        (2, {"arg": 2, "tv_sec": None, "tv_nsec": None, "status": "unreadable"}),
    ]


def test_the_fourth_argument_of_a_futex_is_a_time_only_where_it_waits() -> None:
    def futex(operation: int) -> bytes:
        return ring_bytes.call(native("futex"), args=(POINTER, operation, 1, POINTER, 0, 0), inline=bytes(16))

    wait_private, wake_private, wait_bitset_realtime = 128, 129, 9 | 128 | 256
    found = rows(TIMESPECS, futex(wait_private), futex(wake_private), futex(wait_bitset_realtime))
    assert [call for call, _ in found] == [0, 2]


def words(*values: int | None) -> dict[str, int | None]:
    return {f"word{number}": value for number, value in zip_longest(range(MOST_WORDS), values)}


def test_structs_passed_and_given_back() -> None:
    prlimit = ring_bytes.call(
        native("prlimit64"), args=(0, 7, POINTER, POINTER + 64), inline=struct.pack("<QQ", 1024, 2**64 - 1)
    )
    found = rows(STRUCTS, data(3, struct.pack("<QQ", 512, 4096)), prlimit)
    assert found == [
        (0, {"arg": 2, "kind": "rlimit", "status": None} | words(1024, 2**64 - 1)),
        (0, {"arg": 3, "kind": "rlimit", "status": None} | words(512, 4096)),
    ]


def test_a_struct_shorter_than_a_word_has_nothing_of_what_follows_it() -> None:
    wait = ring_bytes.call(native("wait4"), args=(-1 & 2**64 - 1, POINTER, 0, 0), ret=77)
    status = bytearray(data(1, struct.pack("<i", 256)))
    status[-4:] = b"\xff" * 4  # the padding of a record is what was there before
    assert rows(STRUCTS, bytes(status), wait) == [(0, {"arg": 1, "kind": "int", "status": None} | words(256))]


def test_a_wait_that_found_nobody_has_no_status() -> None:
    nobody = ring_bytes.call(native("wait4"), args=(-1 & 2**64 - 1, POINTER, 1, 0), ret=0)
    assert rows(STRUCTS, data(1, struct.pack("<i", 256)), nobody) == []


def test_a_struct_that_has_grown_has_the_words_that_were_passed() -> None:
    passed = struct.pack("<8Q", *range(10, 18))
    found = rows(STRUCTS, ring_bytes.call(native("clone3"), args=(POINTER, 64), inline=passed, ret=77))
    assert found == [(0, {"arg": 0, "kind": "clone_args", "status": None} | words(*range(10, 18)))]


def test_what_stands_between_members_is_nothing() -> None:
    raw = struct.pack("<hhIqqiI", 1, 0, 0xFFFF_FFFF, 5, 10, 77, 0xFFFF_FFFF)
    found = rows(STRUCTS, ring_bytes.call(native("fcntl"), args=(3, 6, POINTER), inline=raw))
    assert found == [(0, {"arg": 2, "kind": "flock", "status": None} | words(1, 5, 10, 77))]


def test_a_lock_is_there_only_where_the_command_takes_one() -> None:
    duplicate = ring_bytes.call(native("fcntl"), args=(3, 0, 10))
    assert rows(STRUCTS, duplicate) == []


def test_an_option_longer_than_is_kept_is_cut() -> None:
    args = (3, 1, 2, POINTER, 200)
    option = ring_bytes.call(native("setsockopt"), args=args, inline=bytes(88), flags=wire.INLINE_CUT)
    assert [row["status"] for _, row in rows(STRUCTS, option)] == ["truncated"]


def test_structs_that_could_not_be_read() -> None:
    openat2 = ring_bytes.call(native("openat2"), args=(3, POINTER, POINTER, 24), inline=b"/x")
    assert rows(STRUCTS, data(2, b"", captured=-EFAULT), openat2) == [
        (0, {"arg": 2, "kind": "open_how", "status": "unreadable"} | words())
    ]


def test_socket_addresses() -> None:
    address = struct.pack("<H", 2) + struct.pack(">H", 443) + socket.inet_aton("192.0.2.7") + bytes(8)
    found = rows(
        SOCKADDRS,
        ring_bytes.call(native("connect"), args=(3, POINTER, 16), inline=address),
        data(1, b"\x01\0@"[:2]),
        ring_bytes.call(native("accept4"), args=(3, POINTER, POINTER, 0), ret=4),
        ring_bytes.call(native("connect"), args=(3, POINTER, 16), captured=-EFAULT),
    )
    assert found == [
        (0, {"arg": 1, "family": 2, "address": "192.0.2.7", "port": 443, "status": None, "extra": None}),
        (2, {"arg": 1, "family": None, "address": None, "port": None, "status": "unreadable", "extra": None}),
        (1, {"arg": 1, "family": 1, "address": "", "port": None, "status": None, "extra": None}),
    ]


def iovecs(*pairs: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<QQ", *pair) for pair in pairs)


def element(position: int, word0: int | None, word1: int | None, **others: Any) -> dict[str, Any]:
    return (
        {"arg": 1, "kind": "iovec", "phase": "entry", "status": None}
        | others
        | {
            "position": position,
            "word0": word0,
            "word1": word1,
        }
    )


def extra(raw: bytes, part: int = 0, flags: int = 0, arg: int = 1, captured: int | None = None) -> bytes:
    record = bytearray(data(arg | part, raw, captured))
    record[6:8] = struct.pack("<H", flags)
    return bytes(record)


def test_vectors() -> None:
    found = rows(
        ARRAYS,
        ring_bytes.call(native("writev"), args=(1, POINTER, 2), inline=iovecs((7, 3), (8, 0))),
        ring_bytes.call(native("writev"), args=(1, POINTER, 2), captured=-EFAULT),
        ring_bytes.call(native("writev"), args=(1, 0, 0)),
        extra(iovecs((1, 2)), flags=wire.CUT),
        ring_bytes.call(native("readv"), args=(1, POINTER, 2000), flags=wire.SPILLED),
        ring_bytes.call(native("readv"), args=(1, POINTER, 2000), flags=wire.SPILLED),
    )
    assert sorted(found, key=lambda row: (row[0], row[1]["position"])) == [
        (0, element(0, 7, 3)),
        (0, element(1, 8, 0)),
        (1, element(0, None, None, status="unreadable")),
        (3, element(0, 1, 2)),
        (3, element(1, None, None, status="truncated")),
        (4, element(0, None, None, status="lost")),
    ]


def test_descriptors_waited_for_and_events() -> None:
    poll = ring_bytes.call(native("poll"), args=(POINTER, 1, 0), inline=struct.pack("<iHH", -1, 1, 0), ret=1)
    wait = ring_bytes.call(native("epoll_wait"), args=(3, POINTER, 8, 0), ret=2)
    ready = struct.pack("<iHH", -1, 1, 16)
    events = struct.pack("<IQIQ", 1, 2**40, 4, 9)
    found = rows(ARRAYS, extra(ready, flags=wire.AT_EXIT, arg=0), poll, extra(events, flags=wire.AT_EXIT), wait)
    told = [(row["kind"], row["phase"], row["position"], row["word0"], row["word1"]) for _, row in found]
    assert told == [
        ("pollfd", "entry", 0, 2**32 - 1, 1),
        ("pollfd", "exit", 0, 2**32 - 1, 1 | 16 << 16),
        ("epoll_event", "exit", 0, 1, 2**40),
        ("epoll_event", "exit", 1, 4, 9),
    ]


def message(*vectors: tuple[int, int], flags: int = 0) -> bytes:
    return struct.pack("<QIIQQQQiI", 1, 16, 0, 2, len(vectors), 3, 24, flags, 0xFFFF_FFFF) + iovecs(*vectors)


def test_messages() -> None:
    name = struct.pack("<H", 1) + b"/run/x\0"
    control = struct.pack("<QiiII", 24, 1, 1, 5, 6) + struct.pack("<Qiii", 20, 1, 2, 9) + bytes(4)
    records = (
        extra(name, wire.NAME),
        extra(control, wire.CONTROL, wire.CUT),
        ring_bytes.call(native("sendmsg"), args=(3, POINTER, 0), inline=message((4, 5), flags=64)),
    )
    header = {"arg": 1, "kind": "msghdr", "status": None} | words(1, 16, 2, 1, 3, 24, 64)
    assert rows(STRUCTS, *records) == [(0, header)]
    assert [row["address"] for _, row in rows(SOCKADDRS, *records)] == ["/run/x"]
    assert [row for _, row in rows(ARRAYS, *records)] == [
        element(0, 4, 5),
        element(0, 5, None, kind="scm_rights"),
        element(1, 6, None, kind="scm_rights"),
        element(2, None, None, kind="scm_rights", status="truncated"),
    ]


@given(st.binary(max_size=200))
def test_any_control_data_is_read_to_its_end(control: bytes) -> None:
    assert all(0 <= descriptor < 2**32 for descriptor in passed_descriptors(control))


def test_strings() -> None:
    found = rows(
        STRINGS,
        ring_bytes.call(native("memfd_create"), args=(POINTER, 0), inline=b"name\xff", ret=3),
        extra(b"/home\0", flags=wire.AT_EXIT, arg=0),
        ring_bytes.call(native("getcwd"), args=(POINTER, 100), ret=6),
        extra(b"to", flags=wire.AT_EXIT),
        ring_bytes.call(native("readlink"), args=(POINTER, POINTER, 100), inline=b"/link", ret=2),
        ring_bytes.call(native("prctl"), args=(15, POINTER, 0, 0, 0), captured=-EFAULT),
        ring_bytes.call(native("prctl"), args=(16, POINTER, 0, 0, 0)),
    )
    assert sorted((call, row["arg"], row["value"], row["status"]) for call, row in found) == [
        (0, 0, "name\\xff", "not-utf8"),
        (1, 0, "/home", None),
        (2, 1, "to", None),
        (3, 1, None, "unreadable"),
    ]


def test_contents() -> None:
    found = rows(
        DATA,
        ring_bytes.call(native("write"), args=(1, POINTER, 5), inline=b"he", ret=5),
        ring_bytes.call(native("write"), args=(1, POINTER, 5), ret=5),
        ring_bytes.call(native("write"), args=(1, POINTER, 5), captured=-EFAULT, ret=-EFAULT),
        extra(b"abc", flags=wire.AT_EXIT),
        ring_bytes.call(native("read"), args=(0, POINTER, 100), ret=3),
        extra(b"de", wire.CONTENTS),
        ring_bytes.call(native("writev"), args=(1, POINTER, 2), inline=iovecs((1, 1), (2, 1)), ret=2),
        extra(b"de", wire.CONTENTS),
        ring_bytes.call(native("writev"), args=(1, POINTER, 1), inline=iovecs((1, 9)), flags=wire.NO_RETURN),
    )
    assert sorted((call, row["bytes"], row["size"], row["status"]) for call, row in found) == [
        (0, b"he", 5, "truncated"),
        (2, None, 5, "unreadable"),
        (3, b"abc", 3, None),
        (4, b"de", 2, None),
        (5, b"de", None, None),
    ], "what was not asked for has no row"


def test_arguments_of_programs() -> None:
    execve = ring_bytes.call(native("execve"), args=(POINTER, POINTER, POINTER), inline=b"/bin/sh")
    cut = bytearray(data(1, b"sh\0-c\0"))
    cut[6:8] = struct.pack("<H", wire.CUT)
    assert rows(EXEC_ARGS, data(1, b"sh\0\0\xff\0"), execve, bytes(cut), execve) == [
        (0, {"arg": 1, "position": 0, "value": "sh", "status": None}),
        (0, {"arg": 1, "position": 1, "value": "", "status": None}),
        (0, {"arg": 1, "position": 2, "value": "\\xff", "status": "not-utf8"}),
        (1, {"arg": 1, "position": 0, "value": "sh", "status": None}),
        (1, {"arg": 1, "position": 1, "value": "-c", "status": None}),
        (1, {"arg": 1, "position": 2, "value": None, "status": "truncated"}),
    ]


def test_addresses_of_other_families() -> None:
    inet6 = struct.pack("<H", 10) + struct.pack(">HI", 53, 7) + socket.inet_pton(socket.AF_INET6, "fe80::1")
    assert parse_sockaddr(inet6 + struct.pack("<I", 3)) == SocketAddress(10, "fe80::1%3", 53, 7)
    assert parse_sockaddr(inet6 + bytes(4)) == SocketAddress(10, "fe80::1", 53, 7)
    assert parse_sockaddr(b"\x01\0/run/x\0junk") == SocketAddress(1, "/run/x")
    assert parse_sockaddr(b"\x01\0\0name\0x") == SocketAddress(1, "@name\\x00x", escaped=True)
    assert parse_sockaddr(b"\x01\0/\xff\0") == SocketAddress(1, "/\\xff", escaped=True)
    assert parse_sockaddr(struct.pack("<HHII", 16, 0, 77, 1)) == SocketAddress(16, "77", extra=1)
    assert parse_sockaddr(b"\x02\0\x01") == SocketAddress(2, "01"), "an address that is too short is shown as it is"
    assert parse_sockaddr(b"\x01") == SocketAddress(None, None)


@given(st.binary(max_size=128))
def test_any_bytes_are_some_address(raw: bytes) -> None:
    found = parse_sockaddr(raw)
    assert found.port is None or 0 <= found.port < 65536

"""bpf/wire.py: what was put into a ring comes out of it, however it was cut, whatever user memory looks like."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ring_bytes

from bpfrec.bpf import wire


@dataclass(frozen=True)
class Put:
    """One call put into the ring: its inline data, how many arguments it has, and its extras."""

    number: int
    inline: bytes
    nargs: int
    extras: tuple[bytes, ...]

    @property
    def raw(self) -> bytes:
        extras = [ring_bytes.extra(wire.KIND_DATA, data, arg=self.nargs) for data in self.extras]
        args = tuple(self.number + i for i in range(self.nargs))
        return b"".join([*extras, ring_bytes.call(ts=self.number, inline=self.inline, args=args)])


IMITATIONS = st.sampled_from(
    [
        ring_bytes.sample(ring_bytes.call(ts=666, tid=666)),
        ring_bytes.call(ts=666, tid=666),
        ring_bytes.call(ts=666, tid=666)[:24],
        ring_bytes.extra(wire.KIND_STACK, bytes(16)),
        ring_bytes.lost(666),
        b"\x09\0\0\0\0\0\x10\0" * 3,
    ]
)
USER_DATA = st.one_of(
    st.binary(max_size=64),
    st.builds(
        lambda pad, parts: bytes(pad) + b"".join(parts), st.sampled_from([0, 4, 8]), st.lists(IMITATIONS, max_size=3)
    ),
).map(lambda data: data[: wire.INLINE_BYTES])
CALLS = st.builds(Put, st.integers(1, 2**62), USER_DATA, st.integers(0, 6), st.lists(USER_DATA, max_size=3).map(tuple))
# A batch, or the body of a record of another kind.
STREAMS = st.lists(st.one_of(st.lists(CALLS, max_size=5), st.lists(CALLS, max_size=5), USER_DATA), max_size=8)


def ring_of(stream: list[list[Put] | bytes]) -> bytes:
    return b"".join(
        ring_bytes.perf_record(3, part + bytes(-len(part) % 8))
        if isinstance(part, bytes)
        else ring_bytes.sample(*(put.raw for put in part))
        for part in stream
    )


def pieces(raw: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(raw), *(cut * 8 % (len(raw) + 8) for cut in cuts)} & set(range(len(raw) + 1)))
    for start, end in pairwise(edges):
        yield raw[start:end]


def read(raw: bytes, cuts: list[int]) -> list[Put]:
    """The calls of a stream that comes in pieces."""
    found: list[Put] = []
    rest = b""
    for piece in pieces(raw, cuts):
        data = rest + piece
        records = wire.decode(np.frombuffer(data, np.uint8))
        rest = data[records.consumed :]
        calls = records.calls
        extras: list[list[bytes]] = [[] for _ in range(len(calls))]
        for row, start, owner in zip(
            records.extras, records.extra_data.tolist(), records.extra_owner.tolist(), strict=True
        ):
            assert row["arg"] == calls.nargs[owner], "an extra was given to another call"
            extras[owner].append(data[start : start + int(row["captured"])])
        for index, (ts, nargs, start, size) in enumerate(
            zip(calls.ts.tolist(), calls.nargs.tolist(), calls.data_at.tolist(), calls.captured.tolist(), strict=True)
        ):
            assert [int(calls.argument(i)[index]) for i in range(nargs)] == [ts + i for i in range(nargs)]
            found.append(Put(ts, data[start : start + size], nargs, tuple(extras[index])))
    assert not rest, "whole records were left over"
    return found


@given(STREAMS, st.lists(st.integers(0, 400), max_size=8))
def test_every_record_comes_out_once_however_the_stream_is_cut(
    stream: list[list[Put] | bytes], cuts: list[int]
) -> None:
    assert read(ring_of(stream), cuts) == [put for part in stream if not isinstance(part, bytes) for put in part]


def test_inline_data_that_imitates_a_record_is_data() -> None:
    forged = ring_bytes.call(nr=59, ts=666, pid=1)
    found = ring_bytes.decode(ring_bytes.call(ts=1, inline=forged), ring_bytes.call(ts=2))
    assert found.calls.ts.tolist() == [1, 2], "user memory was taken for a record: a traced program can forge calls"


@pytest.mark.parametrize("size", [0, 8, 16, 0xFFF8])
def test_a_damaged_perf_record_ends_decoding_without_an_error(size: int) -> None:
    raw = ring_bytes.sample(ring_bytes.call(ts=1)) + struct.pack("<IHH", 9, 0, size)
    found = wire.decode(np.frombuffer(raw, np.uint8))
    assert found.calls.ts.tolist() == [1], "what stands before the damage is lost"


@pytest.mark.parametrize("size", [0, 4, 0xFFF8])
def test_a_damaged_record_ends_its_batch_alone(size: int) -> None:
    damaged = struct.pack("<H", size) + ring_bytes.call(ts=666)[2:]
    batch = ring_bytes.sample(ring_bytes.call(ts=1), damaged, ring_bytes.call(ts=667))
    raw = batch + ring_bytes.sample(ring_bytes.call(ts=2))
    assert wire.decode(np.frombuffer(raw, np.uint8)).calls.ts.tolist() == [1, 2]


def test_nothing_gives_nothing() -> None:
    found = wire.decode(np.empty(0, np.uint8))
    assert (len(found.calls), len(found.extras), found.consumed) == (0, 0, 0), "an empty piece holds no records"


def test_what_is_told_of_processes_stands_between_calls_and_belongs_to_none() -> None:
    born = ring_bytes.process(wire.BORN, pid=7, ts=50, ns_pid=2, pid_ns=0xF0000001)
    ended = ring_bytes.process(wire.ENDED, pid=7, ts=99, status=0x300)
    data = ring_bytes.extra(wire.KIND_DATA, b"its own", arg=1)
    records = ring_bytes.decode(born, ring_bytes.call(ts=60), ended, data, ring_bytes.call(ts=70), born)
    assert records.calls.ts.tolist() == [60, 70]
    assert records.extra_owner.tolist() == [1]
    assert records.processes[["what", "pid", "ts", "status", "ns_pid", "pid_ns"]].tolist() == [
        (wire.BORN, 7, 50, 0, 2, 0xF0000001),
        (wire.ENDED, 7, 99, 0x300, 0, 0),
        (wire.BORN, 7, 50, 0, 2, 0xF0000001),
    ]
    assert len(ring_bytes.decode(born).calls) == 0

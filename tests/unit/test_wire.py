"""bpf/wire.py: what was put into a ring comes out of it, however it was cut, whatever user memory looks like."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import ring_bytes
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.bpf import wire


@dataclass(frozen=True)
class Put:
    """One thing put into the ring: ``kind`` call, extra, lost or alien."""

    kind: str
    number: int
    data: bytes = b""

    @property
    def raw(self) -> bytes:
        # `number` is the call's time: the extras of a call carry the same one.
        if self.kind == "call":
            return ring_bytes.call(ts=self.number, tid=self.number, inline=self.data)
        if self.kind == "extra":
            return ring_bytes.extra(wire.KIND_DATA, self.data, ts=self.number, tid=self.number)
        if self.kind == "lost":
            return ring_bytes.lost(self.number)
        return ring_bytes.perf_record(3, self.data + bytes(-len(self.data) % 8))


def ring_of(puts: list[Put], batch: int) -> bytes:
    """``puts`` as a ring holds them: calls and extras in batches of up to ``batch`` records."""
    raw: list[bytes] = []
    waiting: list[bytes] = []
    for put in [*puts, None]:
        ours = put is not None and put.kind in ("call", "extra")
        if waiting and (not ours or len(waiting) == batch):
            raw.append(ring_bytes.sample(*waiting))
            waiting = []
        if put is not None:
            (waiting if ours else raw).append(put.raw)
    return b"".join(raw)


IMITATIONS = st.sampled_from(
    [
        ring_bytes.sample(ring_bytes.call(ts=666, tid=666)),
        ring_bytes.call(ts=666, tid=666),
        ring_bytes.call(ts=666, tid=666)[:24],
        ring_bytes.extra(wire.KIND_STACK, bytes(16), ts=666, tid=666),
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


@st.composite
def streams(draw: st.DrawFn) -> list[Put]:
    puts: list[Put] = []
    for number in range(1, draw(st.integers(0, 12)) + 1):
        what = draw(st.sampled_from(["call", "call", "call", "call-lost", "lost", "alien"]))
        if what in ("lost", "alien"):
            puts.append(Put(what, number, draw(USER_DATA)))
            continue
        for _ in range(draw(st.integers(0, 3))):
            puts.append(Put("extra", number, draw(USER_DATA)))
            if draw(st.integers(0, 5)) == 0:
                puts.append(Put("lost", number))
        if what == "call":
            puts.append(Put("call", number, draw(USER_DATA)))
    return puts


def pieces(raw: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = sorted({0, len(raw), *(cut * 8 % (len(raw) + 8) for cut in cuts)} & set(range(len(raw) + 1)))
    for start, end in pairwise(edges):
        yield raw[start:end]


def read(raw: bytes, cuts: list[int]) -> tuple[list[tuple[int, bytes]], list[tuple[int, bytes, bool]], list[int]]:
    """Calls (number, data), extras (number, data, owned by the call of that number) and lost counts of a stream."""
    calls: list[tuple[int, bytes]] = []
    extras: list[tuple[int, bytes, bool]] = []
    lost: list[int] = []
    rest = b""
    for piece in pieces(raw, cuts):
        data = rest + piece
        found = wire.decode(np.frombuffer(data, np.uint8))
        rest = data[found.consumed :]
        lost += found.lost
        for row, start in zip(found.calls, found.call_data.tolist(), strict=True):
            calls.append((int(row["ts"]), data[start : start + int(row["inline_size"])]))
        for row, start, owner in zip(found.extras, found.extra_data.tolist(), found.extra_owner.tolist(), strict=True):
            owned = owner >= 0 and found.calls[owner]["ts"] == row["ts"]
            extras.append((int(row["ts"]), data[start : start + int(row["size"])], owned))
    return calls, extras, lost


@given(streams(), st.integers(1, 9), st.lists(st.integers(0, 400), max_size=8))
def test_every_record_comes_out_once_however_the_stream_is_cut(puts: list[Put], batch: int, cuts: list[int]) -> None:
    calls, extras, lost = read(ring_of(puts, batch), cuts)
    assert calls == [(p.number, p.data) for p in puts if p.kind == "call"], "system calls differ from those put in"

    last_call = max((i for i, p in enumerate(puts) if p.kind == "call"), default=-1)
    sent = {p.number for p in puts if p.kind == "call"}
    expected = [(p.number, p.data, p.number in sent) for p in puts[:last_call] if p.kind == "extra"] if sent else []
    assert extras == expected, "paths or stacks are missing, doubled, or given to a call that they do not belong to"

    # Behind the last call, extras wait for a call that was lost, and hold back the notices behind them.
    waiting = next((i for i in range(last_call + 1, len(puts)) if puts[i].kind == "extra"), len(puts))
    assert lost == [p.number for p in puts[:waiting] if p.kind == "lost"], (
        "LOST records are counted twice or not at all"
    )


def test_inline_data_that_imitates_a_record_is_data() -> None:
    forged = ring_bytes.call(nr=59, ts=666, pid=1)
    found = ring_bytes.decode(ring_bytes.call(ts=1, inline=forged), ring_bytes.call(ts=2))
    assert found.calls["ts"].tolist() == [1, 2], "user memory was taken for a record: a traced program can forge calls"


def test_extras_of_a_lost_call_are_not_given_to_the_next_one() -> None:
    path = ring_bytes.extra(wire.KIND_DATA, b"/secret", ts=1, tid=1)
    found = ring_bytes.decode(path, ring_bytes.call(ts=2, tid=2))
    assert found.extra_owner.tolist() == [-1], "a path was given to another thread's call"


@pytest.mark.parametrize("size", [0, 8, 16, 0xFFF8])
def test_a_damaged_record_ends_decoding_without_an_error(size: int) -> None:
    raw = ring_bytes.sample(ring_bytes.call(ts=1)) + struct.pack("<IHH", 2, 0, size)
    found = wire.decode(np.frombuffer(raw, np.uint8))
    assert found.calls["ts"].tolist() == [1], "what stands before the damage is lost"
    assert found.lost == [], "a LOST record that is cut off was counted"


def test_nothing_gives_nothing() -> None:
    found = wire.decode(np.empty(0, np.uint8))
    assert (len(found.calls), len(found.extras), found.consumed) == (0, 0, 0), "an empty piece holds no records"

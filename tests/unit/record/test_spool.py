"""record/spool.py: what was written is read, also where the disk filled up in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.record.spool import HEADER, SpoolWriter, read_chunks

CHUNKS = [(0, 11, b"A" * 24), (5, 12, b"B" * 8), (0, 13, b"C" * 64)]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    writer = SpoolWriter(tmp_path / "spool")
    for cpu, when, data in CHUNKS:
        writer.write(cpu, when, [memoryview(data)[:8], memoryview(data)[8:]])
    writer.close()
    assert writer.bytes_written == (tmp_path / "spool").stat().st_size, "the progress line would show a wrong size"
    return tmp_path / "spool"


def test_chunks_come_back_in_order(spool: Path) -> None:
    assert [(c.cpu, c.time, c.data.tobytes()) for c in read_chunks(spool, 1 << 20)] == CHUNKS


def test_long_chunks_come_in_pieces(spool: Path) -> None:
    pieces = [(c.cpu, len(c.data)) for c in read_chunks(spool, 16)]
    assert pieces == [(0, 16), (0, 8), (5, 8), (0, 16), (0, 16), (0, 16), (0, 16)]


def test_chunks_are_read_together_where_they_have_room(spool: Path) -> None:
    found = [(c.data.tobytes(), c.parts, c.time) for c in read_chunks(spool, 40, joined=True)]
    assert found == [
        (b"A" * 24 + b"B" * 8, [(0, 24), (5, 32)], 12),
        (b"C" * 40, [(0, 40)], 13),
        (b"C" * 24, [(0, 24)], 13),
    ]


_CHUNKS_OF_CALLS = st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 6), max_size=4)), max_size=6)


@given(_CHUNKS_OF_CALLS, st.integers(20, 120), st.integers(0, 200))
def test_calls_are_the_same_however_chunks_are_read(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[int, list[int]]], room: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("spool") / "spool"
    writer = SpoolWriter(path)
    written = []
    for cpu, batches in chunks:
        samples = []
        for calls in batches:
            first = len(written)
            written += [(cpu, first + number) for number in range(calls)]
            samples.append(ring_bytes.sample(*(ring_bytes.call(ts=ts) for _, ts in written[first:])))
        writer.write(cpu, 1, [memoryview(b"".join(samples))])
    writer.close()
    with path.open("r+b") as file:
        file.truncate(max(0, path.stat().st_size - cut))
    got = []
    for chunk in read_chunks(path, room * 8, joined=True):
        records = wire.decode(chunk.data, chunk.parts)
        chunk.left = len(chunk.data) - records.consumed
        got += list(zip(records.calls.cpu.tolist(), records.calls.ts.tolist(), strict=True))
    assert got == written[: len(got)]
    if not cut and room * 8 >= 6 * 48 + 24:
        assert got == written, "a record that is no longer than a batch is lost"


def test_damage_in_one_chunk_does_not_cost_the_next(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool")
    sound = ring_bytes.sample(ring_bytes.call(ts=7))
    for data in (b"\0" * 64, sound):
        writer.write(2, 1, [memoryview(data)])
    writer.close()
    [chunk] = read_chunks(tmp_path / "spool", 1 << 20, joined=True)
    assert wire.decode(chunk.data, chunk.parts).calls.ts.tolist() == [7]


@given(st.data())
def test_a_spool_cut_anywhere_gives_what_is_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spool") / "spool"
    whole = b"".join(HEADER.pack(b"bpfR", cpu, 0, len(b), when) + b for cpu, when, b in CHUNKS)
    length = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:length])
    written = b"".join(b for _, _, b in CHUNKS)
    got = b"".join(c.data.tobytes() for c in read_chunks(path, 16))
    assert written.startswith(got), "a cut spool gave bytes that were never written"
    headers = sum(
        1 for i in range(len(CHUNKS)) if length >= sum(HEADER.size + len(b) for _, _, b in CHUNKS[:i]) + HEADER.size
    )
    assert len(got) >= max(0, length - headers * HEADER.size - HEADER.size) // 8 * 8, (
        "whole words before the cut are lost"
    )


def test_what_is_no_spool_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"\xff" * 100)
    assert list(read_chunks(tmp_path / "spool", 64)) == []


def test_the_spool_is_nobody_elses(spool: Path) -> None:
    assert oct(spool.stat().st_mode & 0o777) == "0o600", (
        "a spool holds what other users' processes passed to the kernel"
    )
    with pytest.raises(FileExistsError):
        SpoolWriter(spool)


def test_room_is_given_back_while_a_spool_is_read(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path / "spool")
    for number in range(8):
        writer.write(number, 1, [memoryview(bytes([number]) * (1 << 16))])
    writer.close()
    before = (tmp_path / "spool").stat()
    found = [(c.cpu, set(c.data.tobytes())) for c in read_chunks(tmp_path / "spool", 1 << 20, consume=True)]
    after = (tmp_path / "spool").stat()
    assert found == [(number, {number}) for number in range(8)]
    assert after.st_size == before.st_size
    if after.st_blocks == before.st_blocks:
        pytest.skip("the file system here makes no holes")
    assert after.st_blocks <= 8

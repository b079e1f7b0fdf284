"""record/spool.py: what was written is read, also where the disk filled up in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

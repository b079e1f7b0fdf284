"""record/session/channel.py and spools.py: what the rings held is in the spool, also once the disk refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.session.channel import Channel
from bpfrec.record.session.output import Output, prepare
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind
from bpfrec.record.spool import SpoolWriter, read_chunks


class FakeRing:
    """A ring of 64 bytes that holds ``slices``; ``released``: the heads up to which it was given back."""

    size = 64

    def __init__(self, cpu: int, *slices: bytes) -> None:
        self.cpu, self.slices = cpu, list(slices)
        self.released: list[int] = []

    def pending(self) -> tuple[int, list[memoryview]]:
        return sum(map(len, self.slices)), [memoryview(s) for s in self.slices]

    def release(self, head: int) -> None:
        self.released.append(head)
        self.slices.clear()


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    with prepare(tmp_path / "trace.bpfrec", force=False) as output:
        yield output


def channel(spools: Spools, *rings: FakeRing) -> Channel:
    some: Any = list(rings)
    return Channel(SpoolKind.SIDE_BAND, some, spools)


def spooled(output: Output) -> list[tuple[int, bytes]]:
    return [(c.cpu, c.data.tobytes()) for c in read_chunks(output.spool(SpoolKind.SIDE_BAND), 1 << 20)]


@pytest.mark.parametrize("has_consumer", [True, False])
def test_what_the_rings_hold_is_spooled_and_told_once(output: Output, has_consumer: bool) -> None:
    spools = Spools(output)
    rings = FakeRing(0, b"A" * 24, b"B" * 8), FakeRing(3), FakeRing(5, b"C" * 16)
    drained = channel(spools, *rings)
    told: list[tuple[int, bytes]] = []
    if has_consumer:
        drained.consumer = lambda cpu, data: told.append((cpu, data))
    drained.drain()
    drained.drain()
    expected = [(0, b"A" * 24 + b"B" * 8), (5, b"C" * 16)]
    assert spooled(output) == expected
    assert told == (expected if has_consumer else [])
    assert [ring.released for ring in rings] == [[32], [], [16]]
    assert "50.0%" in drained.level, "half of the first ring was full"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_all_spools_and_not_the_draining(
    output: Output, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    spools = Spools(output)
    channel(spools, FakeRing(0, b"A" * 8)).drain()

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as full:
        full.setattr(SpoolWriter, "append", refuse)
        ring = FakeRing(1, b"B" * 8)
        channel(spools, ring).drain()
        assert ring.released == [8], "a traced program would lose calls to a ring that nobody empties"
    assert spools.refused is not None
    channel(spools, FakeRing(1, b"C" * 8)).drain()
    spools.append(SpoolKind.LEARNED, b"row")
    assert spooled(output) == [(0, b"A" * 8)], "what follows a gap would be taken for its neighbour"
    assert spools.bytes_written(SpoolKind.LEARNED) == 0


def test_another_error_names_the_folder(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    spools = Spools(output)

    def fail(*_: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(SpoolWriter, "append", fail)
    with pytest.raises(BpfrecError, match="cannot write beside"):
        spools.write(SpoolKind.CALLS, 0, [memoryview(b"x")])

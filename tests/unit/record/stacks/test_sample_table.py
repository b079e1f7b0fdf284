"""bpf/samples.py, record/stacks/sample_table.py: bytes of rings in, rows of samples and kernel stacks out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import sample_bytes

from bpfrec.bpf.fragments import FRAGMENT_BYTES
from bpfrec.bpf.samples import (
    BITS_32,
    CAPPED,
    IN_KERNEL,
    MOST_PARTS,
    NO_REGISTERS,
    NO_USER,
    Sample,
    sample_stream,
)
from bpfrec.bpf.snapshots import HEAD as SNAPSHOT_HEAD
from bpfrec.record.processes.history import History
from bpfrec.record.spool import SpoolWriter
from bpfrec.record.stacks.kernel_symbols import KernelSymbols
from bpfrec.record.stacks.sample_table import SampleTable
from bpfrec.record.stacks.stack_table import NoStacks

CPU = 3
FULL = bytes(range(256)) * (FRAGMENT_BYTES // 256)
KERNEL = 0xFFFFFFFF81000000


def test_a_sample_is_read_whole() -> None:
    data = sample_bytes.sample(
        *(7,), ts=5, pid=20, tid=21, uid=9, flags=IN_KERNEL, kernel=(KERNEL, KERNEL + 8), user=b"stack", below=128
    )
    [found], consumed = sample_stream().feed(CPU, data)
    assert consumed == len(data)
    assert (found.cpu, found.number, found.time, found.pid, found.tid, found.uid) == (CPU, 7, 5, 20, 21, 9)
    assert (found.flags, found.below, found.registers) == (IN_KERNEL, 128, sample_bytes.REGISTERS)
    assert struct.unpack("<2Q", found.kernel) == (KERNEL, KERNEL + 8)
    assert (found.user, found.comm.rstrip(b"\0")) == (b"stack", b"worker")


def test_parts_are_put_together_across_pieces_and_cpus() -> None:
    stream = sample_stream()
    assert stream.feed(0, sample_bytes.sample(1, kernel=(KERNEL,), user=FULL))[0] == []
    assert [s.user for s in stream.feed(1, sample_bytes.sample(1, user=b"other"))[0]] == [b"other"]
    [whole] = stream.feed(0, sample_bytes.sample(1, part=1, user=b"end"))[0]
    assert whole.user == FULL + b"end"
    assert len(whole.kernel) == 8
    most = b"".join(sample_bytes.sample(2, part=part, user=FULL) for part in range(MOST_PARTS))
    assert [len(s.user) for s in stream.feed(0, most)[0]] == [MOST_PARTS * FRAGMENT_BYTES]
    assert stream.rest() == []


def test_parts_that_do_not_come_or_come_alone() -> None:
    stream = sample_stream()
    found, _ = stream.feed(0, sample_bytes.sample(1, user=FULL) + sample_bytes.sample(2, user=b"next"))
    assert [(s.number, len(s.user)) for s in found] == [(1, FRAGMENT_BYTES), (2, 4)]
    gap = sample_bytes.sample(3, user=FULL) + sample_bytes.sample(3, part=2, user=FULL)
    assert [(s.number, len(s.user)) for s in stream.feed(0, gap)[0]] == [(3, FRAGMENT_BYTES)], "a hole in a stack"
    assert stream.feed(0, sample_bytes.sample(4, part=1, user=FULL))[0] == [], "nobody's stack"
    stream.feed(0, sample_bytes.sample(5, user=FULL))
    assert [s.number for s in stream.rest()] == [5]


def test_a_record_that_is_cut_off_comes_again() -> None:
    one, two = sample_bytes.sample(1, user=b"x" * 100), sample_bytes.sample(2, user=b"y" * 100)
    found, consumed = sample_stream().feed(CPU, (one + two)[:-8])
    assert ([s.number for s in found], consumed) == ([1], len(one))
    assert sample_stream().feed(CPU, b"\0" * 64) == ([], 0)
    other = struct.pack("<IHHI", 9, 0, 12 + SNAPSHOT_HEAD.size + 4, 0) + bytes(SNAPSHOT_HEAD.size + 4)
    assert [s.number for s in sample_stream().feed(CPU, other + two)[0]] == [2], "what is too short is no sample"


class FakeStacks(NoStacks):
    """Each distinct copy of a stack is one."""

    def __init__(self) -> None:
        self.seen: dict[bytes, int] = {}

    @property
    def count(self) -> int:
        return len(self.seen)

    def add_samples(self, samples: Sequence[Sample]) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([self.seen.setdefault(s.user, len(self.seen)) for s in samples], np.int64)


def table_of(folder: Path, *chunks: tuple[int, bytes], has_stacks: bool = True) -> SampleTable:
    spool = SpoolWriter(folder / "samples.spool")
    for cpu, data in chunks:
        spool.write(cpu, 1, [memoryview(data)])
    spool.close()
    table = SampleTable(History(), FakeStacks(), has_stacks)
    shares: list[float] = []
    table.read(folder / "samples.spool", shares.append)
    assert shares == sorted(shares)
    return table


def test_rows_stand_in_order_of_time_and_kernel_stacks_behind_those_of_users(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        (0, sample_bytes.sample(1, ts=30, user=b"a") + sample_bytes.sample(2, ts=40, user=b"b", comm=b"\xff")),
        (1, sample_bytes.sample(1, ts=10, tid=5, user=b"a", flags=IN_KERNEL, kernel=(KERNEL + 4, KERNEL + 0x25))),
        (1, sample_bytes.sample(2, ts=20, uid=2**32 - 2, user=b"a", flags=IN_KERNEL, kernel=-14)),
    )
    rows = table.rows().to_pylist()
    assert [(r["ts_ns"], r["cpu"], r["stack_id"], r["kernel_stack_id"]) for r in rows] == [
        (10, 1, 0, 2),
        (20, 1, 0, 3),
        (30, 0, 0, None),
        (40, 0, 1, None),
    ]
    assert [r["comm"] for r in rows] == ["worker", "worker", "worker", "\\xff"]
    assert rows[1]["uid"] == -2
    assert (table.count, table.pids, table.tids) == (4, {100}, {5, 101})
    stacks, frames, _ = table.kernel_stacks(SYMBOLS)
    assert stacks == [
        {"stack_id": 2, "ts_ns": 10, "depth": 2, "status": "root"},
        {"stack_id": 3, "ts_ns": 20, "depth": 0, "status": "error-14"},
    ]
    assert [(f["ip"], f["symbol"], f["symbol_offset"], f["module"], f["source"]) for f in frames] == [
        (KERNEL + 4, "_text", 4, "[kernel]", "kernel"),
        # A return address stands behind its call, which is in the function before.
        (KERNEL + 0x25, "vfs_read", 0x15, "[kernel]", "kernel"),
    ]


def test_why_there_is_no_user_stack(tmp_path: Path) -> None:
    flags = (CAPPED, BITS_32, NO_USER | IN_KERNEL, NO_REGISTERS | IN_KERNEL)
    data = b"".join(sample_bytes.sample(n, ts=n, flags=flag) for n, flag in enumerate(flags))
    rows = table_of(tmp_path, (0, data)).rows().to_pylist()
    assert [r["stack_status"] for r in rows] == ["capped", "32-bit", "kernel-thread", "no-registers"]
    assert [r["stack_id"] for r in rows] == [None] * 4


def test_where_no_stacks_were_asked_for_there_is_no_reason_either(tmp_path: Path) -> None:
    data = sample_bytes.sample(1, flags=IN_KERNEL)
    [row] = table_of(tmp_path, (0, data), has_stacks=False).rows().to_pylist()
    assert (row["stack_id"], row["kernel_stack_id"], row["stack_status"]) == (None, None, None)


def test_without_samples(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    assert (table.rows().num_rows, table.kernel_stacks(SYMBOLS)) == (0, ([], [], []))


@given(st.lists(st.tuples(st.binary(max_size=200), st.booleans()), max_size=8), st.randoms())
def test_damage_costs_samples_and_no_more(pieces: list[tuple[bytes, bool]], random: Any) -> None:
    data = b""
    for noise, is_noise in pieces:
        numbers = {"number": random.getrandbits(64), "ts": random.getrandbits(64), "pid": random.getrandbits(32)}
        good = sample_bytes.sample(
            **numbers, part=random.getrandbits(4), kernel=random.randint(-50, 2**31 - 1), user=noise, below=2**32 - 1
        )
        data += noise if is_noise else good
    stream = sample_stream()
    found, consumed = stream.feed(CPU, data)
    assert consumed <= len(data)
    assert all(len(sample.user) <= len(data) for sample in [*found, *stream.rest()])


def kernel_table(text: str) -> KernelSymbols:
    return KernelSymbols("".join(f"{line}\n" for line in text.splitlines() if line))


SYMBOLS = kernel_table("""
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000010 t vfs_read_alias
ffffffff81000010 T vfs_read
ffffffff81000025 T behind
ffffffff81001000 D data
ffffffff82000000 t last
ffffffffc0001000 t ext_read\t[ext4]
ffffffffc0001100 r ext_table\t[ext4]
ffffffffc0100000 t bpf_prog_abc_on_exit\t[bpf]
0000000000000000 A fixed_percpu_data
""")


@pytest.mark.parametrize(
    ("address", "name", "module"),
    [
        (KERNEL - 1, None, "[kernel]"),
        (KERNEL, "_text", "[kernel]"),
        (KERNEL + 0x1F, "vfs_read", "[kernel]"),
        (KERNEL + 0x25, "behind", "[kernel]"),
        (KERNEL + 0x1004, None, "[kernel]"),
        (0xFFFFFFFF82000100, "last", "[kernel]"),
        (0xFFFFFFFF82100000, None, "[kernel]"),
        (0xFFFFFFFFC0001050, "ext_read", "[ext4]"),
        (0xFFFFFFFFC0001150, None, None),
        (0xFFFFFFFFC0104000, "bpf_prog_abc_on_exit", "[bpf]"),
        (0xFFFFFFFFC0900000, None, None),
        (0x400000, None, None),
        (2**64 - 1, None, None),
    ],
)
def test_kernel_functions(address: int, name: str | None, module: str | None) -> None:
    found = SYMBOLS.at(address)
    assert (found.name, found.module) == (name, module)


def test_a_kernel_that_hides_its_addresses_gives_no_names(tmp_path: Path) -> None:
    hidden = kernel_table("0000000000000000 T _text\n0000000000000000 T vfs_read\n0000000000000000 t x\t[ext4]")
    assert hidden.are_hidden
    assert hidden.at(KERNEL + 4) == (None, "[kernel]", None)
    table = table_of(tmp_path, (0, sample_bytes.sample(1, flags=IN_KERNEL, kernel=(KERNEL,))))
    [stack], [frame], _ = table.kernel_stacks(hidden)
    assert (stack["status"], frame["symbol"], frame["ip"]) == ("no-kernel-symbols", None, KERNEL)
    assert KernelSymbols("").are_hidden
    assert not SYMBOLS.are_hidden

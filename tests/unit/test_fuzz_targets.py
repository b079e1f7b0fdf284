"""Every target of ``make fuzz`` takes its corpus and damage to it: a small fuzzing without a fuzzer."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from fuzz.seeds import seeds
from fuzz.targets import TARGETS
from support import ring_bytes

from bpfrec.bpf import btf, wire
from bpfrec.formats.errors import BpfrecError

_TIMES = 40


@pytest.mark.grid
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_refused_or_read(name: str) -> None:
    found = seeds(name)
    assert found, "there is nothing to begin with"
    run, chance = TARGETS[name].run, random.Random(name)
    for seed in found[:8]:
        run(seed)
        run(b"")
        for _ in range(_TIMES // min(len(found), 8)):
            damaged = bytearray(seed)
            for _ in range(chance.randrange(1, 6)):
                damaged[chance.randrange(len(damaged))] = chance.choice((0, 0x7F, 0xFF, chance.randrange(256)))
            run(bytes(damaged[: chance.randrange(len(damaged)) if chance.random() < 0.3 else len(damaged)]))


@pytest.mark.parametrize("kind", [wire.KIND_SYSCALL, wire.KIND_PROCESS])
def test_a_record_without_room_for_what_it_always_has_is_left_out(kind: int) -> None:
    """Found by fuzzing: it was read beyond the end of the spool."""
    short = struct.pack("<HhBBBB", 8, -100, kind, 0, 0, 0)
    found = wire.decode(np.frombuffer(ring_bytes.sample(ring_bytes.call(), short), np.uint8))
    assert (len(found.calls), len(found.processes)) == (1, 0)


@pytest.mark.parametrize("size", [0, 10, 23, 40, 60])
def test_type_information_that_ends_too_early_is_refused(size: int) -> None:
    """Found by fuzzing."""
    with pytest.raises(BpfrecError):
        btf.member_offsets({"task_struct": ("pid", "tgid")}, seeds("btf")[0][:size])

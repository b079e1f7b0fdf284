"""Every target of ``make fuzz`` takes its corpus and damage to it: a small fuzzing without a fuzzer."""

from __future__ import annotations

import random

import pytest
from fuzz.seeds import seeds
from fuzz.targets import TARGETS

_TIMES = 40


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

"""record/session/legs.py: there is always enough of the past, and not much more."""

from __future__ import annotations

import pytest

from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import Mark
from bpfrec.record.options.last import Last
from bpfrec.record.session.legs import Leg, Legs
from bpfrec.record.session.tracker import InitialState

SECOND = 1_000_000_000
MB = 1 << 20


def leg(number: int, start: float, *, is_ready: bool = True) -> Leg:
    before = Mark(0, {}, {}, [])
    return Leg(number, int(start * SECOND), Clock(0, 0, 0), InitialState(), before, is_ready=is_ready)


def of(last: Last, *starts: float, size: int = 0) -> Legs:
    legs = Legs(last)
    for number, start in enumerate(starts):
        legs.begin(leg(number, start), size)
    return legs


def test_a_leg_begins_every_quarter_of_the_time() -> None:
    legs = of(Last(seconds=60), 0)
    assert not legs.is_due(14 * SECOND, 1 << 40)
    assert legs.is_due(15 * SECOND, 0)


def test_reading_processes_takes_a_twentieth_of_the_time_at_most() -> None:
    legs = of(Last(seconds=60), 0)
    legs.reading_ns = 2 * SECOND
    assert not legs.is_due(39 * SECOND, 0)
    assert legs.is_due(40 * SECOND, 0)


def test_no_leg_begins_while_processes_are_read_for_another() -> None:
    legs = of(Last(seconds=60), 0)
    legs.begin(leg(1, 15, is_ready=False), 0)
    assert not legs.is_due(300 * SECOND, 0)


def test_what_began_before_the_time_goes_when_the_next_leg_covers_it() -> None:
    legs = of(Last(seconds=60), 0, 15, 30, 45, 60)
    assert legs.drop(74 * SECOND, 0) == []
    assert [dropped.number for dropped in legs.drop(76 * SECOND, 0)] == [0]
    assert [dropped.number for dropped in legs.drop(106 * SECOND, 0)] == [1, 2]
    assert legs.first.start_ns <= (106 - 60) * SECOND


def test_a_leg_is_needed_as_long_as_the_next_one_says_not_all() -> None:
    legs = of(Last(seconds=60), 0)
    legs.begin(leg(1, 15, is_ready=False), 0)
    assert legs.drop(600 * SECOND, 0) == []
    assert legs.first.number == 0
    legs.current.is_ready = True
    assert [dropped.number for dropped in legs.drop(600 * SECOND, 0)] == [0]


@pytest.mark.parametrize("bytes_a_step", [MB // 2, MB, 5 * MB])
def test_the_disk_has_no_more_than_it_may_and_not_much_less(bytes_a_step: int) -> None:
    most = 100 * MB
    legs = of(Last(size=most), 0)
    size = number = 0
    kept = []
    for step in range(1, 400):
        size += bytes_a_step
        if legs.is_due(step * SECOND, size):
            number += 1
            legs.begin(leg(number, step), size)
            size = 0
        legs.drop(step * SECOND, size)
        kept.append(legs.bytes(size))
    assert max(kept) <= most
    if bytes_a_step * 400 > 2 * most:
        assert min(kept[len(kept) // 2 :]) >= most * 0.6


def test_a_busy_machine_begins_a_leg_before_its_processes_can_be_read_at_ease() -> None:
    legs = of(Last(size=100 * MB), 0)
    legs.reading_ns = SECOND
    assert not legs.is_due(SECOND, 30 * MB)
    assert legs.is_due(SECOND, 50 * MB)
    assert legs.is_due(20 * SECOND, 20 * MB)


def test_a_trace_has_the_spools_from_the_first_leg_that_is_ready() -> None:
    legs = Legs(Last(seconds=60))
    for number in range(3):
        legs.begin(leg(number, number, is_ready=number > 0), 10)
    assert [used.number for used in legs.used()] == [1, 2]
    assert legs.bytes(5) == 25

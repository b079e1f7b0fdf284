"""record/session/flight.py, draining.py: what --last SIZE takes of the disk while processes are read for long."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import Mark
from bpfrec.record.options.last import Last
from bpfrec.record.session import draining
from bpfrec.record.session import flight as flight_module
from bpfrec.record.session.draining import Drain, drain_during
from bpfrec.record.session.flight import Flight
from bpfrec.record.session.legs import NO_ROOM, Leg, has_room_before_ready
from bpfrec.record.session.tracker import InitialState

MB = 1 << 20
ROOM = Last(size=64 * MB)
# What comes between two drains, and what the side band alone takes.
CALLS, EVENTS = 5 * MB, 1000


@dataclass
class BusyRings:
    """Stands for :class:`.Drain` on a machine that never rests; ``sizes``: of its spools."""

    sizes: dict[str, int] = field(default_factory=lambda: {"calls": 0, "sideband": 0})
    learner: None = None

    def drain(self) -> None:
        self.sizes["calls"] += CALLS
        self.drain_side_band()

    def drain_side_band(self) -> None:
        self.sizes["sideband"] += EVENTS

    @property
    def size(self) -> int:
        return sum(self.sizes.values())


def test_the_first_reading_fills_half_of_the_room_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_TICK", 0.0)
    rings, said = BusyRings(), list[str]()

    def has_room() -> bool:
        return has_room_before_ready(ROOM, rings.size)

    had_room = drain_during(range(1000), cast("Drain", rings), has_room, lambda: said.append(NO_ROOM))
    assert not had_room
    assert said == [NO_ROOM]
    assert 25 * MB < rings.sizes["calls"] <= 32 * MB + CALLS
    assert rings.sizes["sideband"] == 1000 * EVENTS, "what processes do is always known"


@pytest.mark.parametrize("last", [None, Last(seconds=60)])
def test_what_has_no_size_is_drained_all_the_time(monkeypatch: pytest.MonkeyPatch, last: Last | None) -> None:
    monkeypatch.setattr(draining, "_TICK", 0.0)
    rings = BusyRings()
    assert drain_during(range(50), cast("Drain", rings), lambda: has_room_before_ready(last, rings.size), pytest.fail)
    assert rings.sizes["calls"] == 50 * CALLS


def leg(number: int, *, is_ready: bool) -> Leg:
    return Leg(number, number + 1, Clock(0, 0, 0), InitialState(), Mark(0, {}, {}, []), is_ready=is_ready)


def test_a_later_reading_takes_no_more_than_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each process takes a twentieth of a second to read.
    clock = itertools.count()
    monkeypatch.setattr(flight_module, "time", SimpleNamespace(monotonic=lambda: next(clock) / 20))
    rings, said, removed = BusyRings(), list[str](), list[int]()
    unused: Any = SimpleNamespace(note_descriptors=lambda _descriptors: None)
    flight = Flight(ROOM, unused, cast("Any", rings), unused, unused, unused, cast("Drain", rings), unused, said.append)
    monkeypatch.setattr(flight, "_remove", lambda leg: removed.append(leg.number))
    flight.legs.begin(leg(0, is_ready=True), 0)
    flight.legs.begin(leg(1, is_ready=False), 32 * MB)
    sizes = []

    def reading() -> Any:
        for number in range(200):
            sizes.append(flight.bytes)
            yield number

    flight._reading = reading()
    for _ in range(200):
        rings.drain()
        flight.step()
        if not flight.is_reading:
            break
    assert not flight.is_reading
    assert said == [NO_ROOM], "the user is told once"
    assert max(sizes) <= 64 * MB + CALLS
    assert removed == [0], "the leg before goes as soon as a trace can begin with the next one"

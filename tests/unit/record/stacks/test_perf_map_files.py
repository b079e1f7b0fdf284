"""perf_map_files.py and stack_versions.py: names of JIT code as of the time of the call, or none."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.symbols.perf_map import JitSymbol
from bpfrec.record.processes.procfs import ProcessStatus
from bpfrec.record.stacks import perf_map_files as perf_maps
from bpfrec.record.stacks.frames import Stack
from bpfrec.record.stacks.perf_map_files import UNKNOWN, JitEntry, PerfMaps, at_time
from bpfrec.record.stacks.stack_versions import StackVersions

OLD, NEW = JitSymbol(0x1000, 16, "old"), JitSymbol(0x1000, 16, "new")
CODE = Mapping(0, 7, 0x1000, 0x2000, 0, "//anon", None, None, None)


def test_code_has_the_name_of_its_time() -> None:
    entries = [JitEntry(0, 100, OLD), JitEntry(500, 600, NEW)]
    assert at_time(entries, 300) == OLD
    assert at_time(entries, 499) == OLD
    assert at_time(entries, 600) == NEW
    assert at_time(entries, 550) is None, "the line may have been written before or after the call"
    assert at_time(entries, 50) == OLD, "there was no other code yet"


def test_a_map_that_is_written_late_names_what_was_there_before() -> None:
    assert at_time([JitEntry(900, 901, OLD)], 5) == OLD
    assert at_time([JitEntry(900, 901, OLD), JitEntry(900, 901, NEW)], 5) is None
    assert at_time([JitEntry(900, 901, OLD), JitEntry(950, 951, NEW)], 5) == OLD


def test_what_is_not_known_has_no_name() -> None:
    assert at_time([], 5) is None
    assert at_time([UNKNOWN, JitEntry(900, 901, NEW)], 5) is None
    assert at_time([UNKNOWN, JitEntry(900, 901, NEW)], 901) == NEW


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2)), max_size=6), st.integers(0, 70))
def test_a_name_is_never_one_that_could_not_have_been(steps: list[tuple[int, int, int]], when: int) -> None:
    names = [JitSymbol(0x1000, 16, str(i)) for i in range(3)]
    entries, now = [], 0
    for wait, took, name in steps:
        entries.append(JitEntry(now + wait, now + wait + took, names[name]))
        now += wait + took
    found = at_time(entries, when)
    # Whatever the time at which each line was written, that name was the last one written, or none was yet.
    possible = set()
    for choice in range(1 << len(entries)):
        written = [e for i, e in enumerate(entries) if (e.until <= when) or (e.since <= when and choice >> i & 1)]
        possible.add(written[-1].symbol if written else None)
    assert found is None or possible <= {found, None}


@pytest.fixture
def tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """/tmp of process 7, whose id is 3 in its namespace."""
    monkeypatch.setattr(perf_maps, "PROC", tmp_path / "proc")
    monkeypatch.setattr(perf_maps, "HOST", tmp_path)
    monkeypatch.setattr(perf_maps, "_OPENING_SECONDS", 0.0)
    monkeypatch.setattr(perf_maps, "status", lambda pid: ProcessStatus(pid, 1, 0, 3) if pid == 7 else None)
    tmp_path.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    folder = tmp_path / "proc" / "7" / "root" / "tmp"
    folder.mkdir(parents=True)
    return folder


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000_000_000
        monkeypatch.setattr(perf_maps.time, "monotonic_ns", lambda: self.now)
        monkeypatch.setattr(perf_maps.time, "time_ns", lambda: self.now)

    def write(self, path: Path, text: str, mode: str = "a") -> None:
        with path.open(mode) as file:
            file.write(text)
        os.utime(path, ns=(self.now, self.now))


def test_lines_have_the_time_between_two_looks(tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, maps, path = Clock(monkeypatch), PerfMaps(), tmp / "perf-3.map"
    clock.write(path, "1000 10 old\n")
    clock.now += 10**9
    maps.look([7])
    first = clock.now
    for _ in range(3):
        clock.now += 10**9
        maps.look([7])
    before = clock.now
    clock.now += 10**8
    clock.write(path, "1000 10 new\n")
    clock.now += 10**8
    clock.write(path, "1000 10 old\n")
    last = clock.now
    clock.now += 5 * 10**9
    maps.look([7])
    path.unlink()
    one, two, three = maps.entries(7, [0x1000])[0x1000]
    assert (one.symbol, two.symbol, three.symbol) == (OLD, NEW, OLD)
    assert one.until <= first
    assert two.since == before
    assert three.since == last, "the last line was written by the last write"
    assert two.until == three.until
    assert last <= three.until < last + 10**8
    maps.close()


def test_a_map_begun_anew_is_another(tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, maps, path = Clock(monkeypatch), PerfMaps(), tmp / "perf-3.map"
    clock.write(path, "1000 10 old\n")
    maps.look([7])
    clock.now += 10**9
    last_look = clock.now
    maps.look([7])
    path.rename(tmp / "away")
    clock.now += 10**9
    clock.write(path, "1000 10 new\n2000 10 last\n")
    written = clock.now
    clock.now += 10**9
    maps.look([7])
    old, new = maps.entries(7, [0x1000])[0x1000]
    assert (old.symbol, new.symbol) == (OLD, NEW)
    assert new.since == last_look, "it may have been there right after that"
    assert maps.entries(7, [0x2000])[0x2000][0].since == written
    maps.close()


@pytest.mark.usefixtures("tmp")
def test_the_map_of_a_process_that_has_ended_is_found_if_it_was_made_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    host = perf_maps.HOST / "tmp"
    clock.write(host / "perf-8.map", "1000 10 stale\n")
    clock.now += 10**9
    maps = PerfMaps()
    clock.now += 10**9
    clock.write(host / "perf-9.map", "1000 10 new\n")
    maps.look([8, 9])
    assert maps.entries(8, [0x1000]) == {}, "an earlier process of that id left it"
    assert maps.entries(9, [0x1000])[0x1000][0].symbol == NEW
    assert maps.name(9) == "perf-9.map"
    maps.close()


def test_stacks_through_replaced_code_are_several() -> None:
    stack = Stack(7, 300, (0x1004,), b"\4", (CODE,), "root")
    other = Stack(7, 310, (0x1014,), b"\4", (CODE,), "root")
    entries = [JitEntry(0, 100, OLD), JitEntry(500, 600, NEW), JitEntry(800, 900, OLD)]
    stacks = [stack, other]
    versions = StackVersions(stacks, {(7, 0x1004): entries, (7, 0x1014): entries[:1]})
    versions.divide(0)
    numbers = versions.at(np.array([0, 0, 0, 0, 1, 0]), np.array([300, 700, 650, 950, 700, 550])).tolist()
    assert numbers[0] == numbers[3] == 0
    assert numbers[4] == 1
    assert numbers[1] == numbers[2] != 0
    assert stacks[numbers[1]].ts == 650, "the entry of the first call that was seen"
    assert [at_time(entries, stacks[number].ts) for number in numbers] == [OLD, NEW, NEW, OLD, OLD, None]


def test_code_replaced_without_end_has_no_name() -> None:
    symbols = [JitSymbol(0x1000, 16, str(i)) for i in range(3000)]
    jit = {(7, 0x1004): [JitEntry(10 * i, 10 * i + 1, symbol) for i, symbol in enumerate(symbols)]}
    stacks = [Stack(7, 300, (0x1004,), b"\4", (CODE,), "root")]
    versions = StackVersions(stacks, jit)
    versions.divide(0)
    assert versions.at(np.array([0]), np.array([305])).tolist() == [0]
    assert len(stacks) == 1
    assert at_time(jit[7, 0x1004], 300) is None


def test_maps_that_are_held_open_have_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(perf_maps, "PROC", tmp_path / "proc")
    monkeypatch.setattr(perf_maps, "HOST", tmp_path)
    monkeypatch.setattr(perf_maps, "status", lambda _: None)
    maps = PerfMaps(most_open=3)
    for pid in range(1, 8):
        (tmp_path / "tmp" / f"perf-{pid}.map").write_text("1000 10 new\n")
    maps.look(range(1, 8))
    assert [pid for pid in range(1, 8) if maps.entries(pid, [0x1000])] == [1, 2, 3]
    assert maps.unheld == 4
    maps.close()

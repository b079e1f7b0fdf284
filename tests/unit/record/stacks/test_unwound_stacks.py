"""unwound_stacks.py and stack_learner.py: snapshots become stacks, calls find theirs, and none gets another's."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from support import ring_bytes, snapshot_bytes

from bpfrec.bpf import wire
from bpfrec.bpf.known_stacks import IP_SHIFT, KnownStack, KnownStacks, mixed_shifts
from bpfrec.bpf.samples import Sample
from bpfrec.bpf.sideband import Comm, Exit, Fork, Mapping
from bpfrec.bpf.snapshots import Key, cpu_of, samples_of, snapshot_stream
from bpfrec.formats.symbols.perf_map import JitSymbol
from bpfrec.record.processes.history import History
from bpfrec.record.processes.procfs import MapsLine, ProcessStatus
from bpfrec.record.spool import SpoolWriter
from bpfrec.record.stacks import stack_learner as learner
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.perf_map_files import JitEntry, PerfMaps
from bpfrec.record.stacks.shared_stacks import groups_of, inputs_hash
from bpfrec.record.stacks.stack_learner import LEARNED, StackLearner
from bpfrec.record.stacks.unwind.cfi import CfiRow, How, Rule
from bpfrec.record.stacks.unwind.eh_frame import FunctionRules
from bpfrec.record.stacks.unwinding import MappedCode, UnwoundStack, unwind_snapshot
from bpfrec.record.stacks.unwound_stacks import UnwoundStacks

PID, CPU = 100, 2
LATER = 1 << 40
SP = snapshot_bytes.REGISTERS[1]
CODE = MapsLine(0x1000, 0x5000, 0, (8, 1), 5, "/bin/x")


class FakeTable:
    """Every function's return address is at rsp, but for the one at 0x4000 of the file, which nobody called."""

    failure, is_missing = "", False

    def find_offset(self, offset: int) -> FunctionRules | None:
        rule = Rule(How.UNDEFINED) if offset >= 0x3000 else Rule(How.OFFSET, -8)
        return FunctionRules(CfiRow(7, 8, None, {16: rule}), 16, False)

    def is_entry(self, _offset: int) -> bool:
        return False

    def ends_call(self, _offset: int) -> bool:
        return True


class FakeModules:
    def unwind_table(self, _mapping: Mapping) -> FakeTable:
        return FakeTable()

    def hold(self, _mapping: Mapping) -> None:
        pass

    def locate(self, mapping: Mapping, address: int) -> tuple[int, None]:
        return address - mapping.start, None

    def build_id(self, _mapping: Mapping) -> str:
        return "abcd"

    def lines(self, _places: Any) -> dict[Any, Any]:
        return {}


MODULES = cast("Modules", FakeModules())


def history() -> History:
    found = History()
    found.snapshot(ProcessStatus(PID, 1, 0, PID), {PID: "x"}, [CODE])
    return found


def mapped(when: int, start: int, end: int, path: str = "/lib/other") -> Mapping:
    return Mapping(when, PID, start, end, 0, path, None, (8, 1), 9)


class Spool:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "snapshots.spool"
        self.learned_path = folder / "learned.spool"
        self._writer, self._learned = SpoolWriter(self.path), SpoolWriter(self.learned_path)

    def snapshots(self, *samples: bytes) -> None:
        self._writer.write(CPU, 1, [memoryview(b"".join(samples))])

    def learned(self, snapshot: int, inputs_hash: int) -> None:
        self._learned.append([memoryview(np.array([(snapshot, inputs_hash)], LEARNED).tobytes())])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def table_of(spool: Spool, found: History | None = None) -> UnwoundStacks:
    table = UnwoundStacks(found or history(), MODULES, PerfMaps())
    table.read(spool.path, spool.learned_path, lambda _share: None)
    return table


def named(number: int) -> int:
    return number | CPU << 48


def call_by(snapshot: int, flags: int = 0, ts: int = 2000, *, pid: int = PID, shift: int = 0) -> list[bytes]:
    head = struct.pack("<HhBBH", 0, 16, wire.KIND_PATH, 0, flags) + struct.pack("<QQ", snapshot, shift)
    return [struct.pack("<H", len(head)) + head[2:], ring_bytes.call(ts=ts, pid=pid)]


def columns(table: UnwoundStacks, *calls: list[bytes]) -> tuple[list[int | None], list[str | None]]:
    ids, status = table.columns(ring_bytes.decode(*(record for call in calls for record in call)))
    return ids.to_pylist(), status.to_pylist()


def test_calls_find_their_stacks(spool: Spool) -> None:
    spool.snapshots(
        snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005)),
        snapshot_bytes.sample(2, snapshot_bytes.words(0x3005, 0x4005)),
        snapshot_bytes.sample(3, snapshot_bytes.words(0x2005, 0x4005, 77)),
    )
    table = table_of(spool)
    ids, status = columns(
        table, call_by(named(2)), call_by(named(1)), [ring_bytes.call()], call_by(named(3)), call_by(named(1))
    )
    assert ids[1] == ids[3] == ids[4], "the same stack has several ids"
    assert ids[2] is None
    assert len({ids[0], ids[1]}) == 2
    assert status == [None] * 5
    parts = list(table.resolve())
    stacks = [row for part in parts for row in part[0]]
    frames = [row for part in parts for row in part[1]]
    assert [(row["stack_id"], row["status"], row["depth"]) for row in stacks] == [(0, "root", 3), (1, "root", 3)]
    assert [f["ip"] for f in frames if f["stack_id"] == ids[1]] == [0x1010, 0x2005, 0x4005]
    assert [f["source"] for f in frames if f["stack_id"] == ids[1]] == ["ip", "cfi", "cfi"]


class FakeMaps:
    """All of 0x1000 to 0x2000 is one function, which another replaces between 5000 and 5001."""

    def name(self, pid: int) -> str:
        return f"perf-{pid}.map"

    def entries(self, _pid: int, addresses: Any) -> dict[int, list[JitEntry]]:
        found = [
            JitEntry(0, 1, JitSymbol(0x1000, 0x1000, "old")),
            JitEntry(5000, 5001, JitSymbol(0x1000, 0x800, "new")),
        ]
        return dict.fromkeys(addresses, found)


def sampled(ts: int, *words: int) -> Sample:
    registers = snapshot_bytes.REGISTERS
    stack = snapshot_bytes.words(*words)
    return Sample(CPU, 1, ts, PID, PID, 0, 0, b"x", registers, 0, 0, b"", len(stack), stack)


@pytest.mark.parametrize("called", [False, True])
def test_samples_have_names_for_jit_code_as_of_their_times(spool: Spool, called: bool) -> None:
    found = History()
    jit = MapsLine(0x1000, 0x2000, 0, (0, 0), 0, "//anon")
    found.snapshot(
        ProcessStatus(PID, 1, 0, PID), {PID: "x"}, [jit, MapsLine(0x2000, 0x5000, 0x1000, (8, 1), 5, "/bin/x")]
    )
    if called:
        spool.snapshots(snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005)))
    table = UnwoundStacks(found, MODULES, cast("PerfMaps", FakeMaps()))
    table.read(spool.path, spool.learned_path, lambda _share: None)
    if called:
        columns(table, call_by(named(1), ts=4000))
    times = np.array([2000, 6000])
    handles = table.add_samples([sampled(int(ts), 0x2005, 0x4005) for ts in times])
    ids = table.sample_ids(handles, times).tolist()
    assert len(set(ids)) == 2, "a stack whose function was replaced is one"
    parts = list(table.resolve())
    names = {row["stack_id"]: row["symbol"] for part in parts for row in part.frames if row["depth"] == 0}
    assert [names[stack] for stack in ids] == ["old", "new"]
    assert {row["name"] for part in parts for row in part.jit_symbols} == {"old", "new"}


class JitModules(FakeModules):
    """All code is JIT code that may keep frame pointers."""

    def unwind_table(self, mapping: Mapping) -> FakeTable | None:  # type: ignore[override]
        return None if mapping.path == "//anon" else FakeTable()

    class runtimes:  # noqa: N801
        @staticmethod
        def keeps_frame_pointers(_mappings: Any) -> bool:
            return False


def test_snapshots_that_agree_in_what_was_read_are_searched_again(spool: Spool) -> None:
    """In the first a word below the frame pointer may be the return address, in the second there is none."""
    found = History()
    maps = [MapsLine(0x1000, 0x2000, 0, (0, 0), 0, "//anon"), MapsLine(0x2000, 0x5000, 0x1000, (8, 1), 5, "/bin/x")]
    found.snapshot(ProcessStatus(PID, 1, 0, PID), {PID: "x"}, maps)
    registers = (0x1010, SP, SP + 16, *snapshot_bytes.REGISTERS[3:])
    ambiguous, clear = (
        snapshot_bytes.sample(number, snapshot_bytes.words(1, word, 0, 0x4005), registers=registers)
        for number, word in ((1, 0x2005), (2, 7))
    )
    spool.snapshots(ambiguous, clear)
    table = UnwoundStacks(found, cast("Modules", JitModules()), cast("PerfMaps", FakeMaps()))
    table.read(spool.path, spool.learned_path, lambda _share: None)
    ids, _ = columns(table, call_by(named(1)), call_by(named(2)))
    stacks = {row["stack_id"]: (row["status"], row["depth"]) for part in table.resolve() for row in part.stacks}
    assert [stacks[number] for number in ids if number is not None] == [("no-frame-pointer", 1), ("root", 2)]


def test_a_call_without_a_stack_says_why(spool: Spool) -> None:
    spool.snapshots(snapshot_bytes.sample(1, snapshot_bytes.words(0x4005)))
    ids, status = columns(
        table_of(spool),
        call_by(0, wire.PATH_CAPPED),
        call_by(0, wire.PATH_LOST),
        call_by(0, wire.PATH_32_BIT),
        call_by(named(50)),
        call_by(named(50), wire.PATH_KNOWN),
    )
    assert ids == [None] * 5
    assert status == ["capped", "lost", "32-bit", "lost", "lost"]


def test_without_any_snapshot(spool: Spool) -> None:
    assert columns(table_of(spool), call_by(0, wire.PATH_CAPPED), [ring_bytes.call()]) == (
        [None, None],
        ["capped", None],
    )


def inputs_hash_of(sample: bytes) -> int:
    return hash_of(sample, history(), MODULES)


def hash_of(sample: bytes, found: History, modules: Modules) -> int:
    """What the learner spools of a snapshot, with the mappings that ``found`` has at the start."""
    [snapshot], _ = snapshot_stream().feed(CPU, sample)
    space = found.address_space_at(snapshot.pid, 1)
    assert space is not None
    code = MappedCode(lambda at: space.find(at, 1), modules)
    unwound = unwind_snapshot(snapshot, code)
    return inputs_hash(unwound, groups_of(snapshot, unwound, code.mapping) if unwound.is_recognisable else None)


def test_calls_that_the_program_recognised_need_a_proof(spool: Spool) -> None:
    one, two = (snapshot_bytes.sample(n, snapshot_bytes.words(0x2005, 0x4005, n)) for n in (1, 2))
    spool.snapshots(one, two)
    spool.learned(named(1), inputs_hash_of(one))
    spool.learned(named(2), inputs_hash_of(one) + 1)
    spool.learned(named(9), 7)
    ids, status = columns(
        table_of(spool),
        call_by(named(1), wire.PATH_KNOWN),
        call_by(named(2)),
        call_by(named(2), wire.PATH_KNOWN),
    )
    assert status == [None, None, "changed"], "the program compared other words than the walk depended on"
    assert ids == [0, 0, None]


AGAIN = mapped(1500, CODE.start, CODE.end, CODE.path)._replace(inode=CODE.inode)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [(mapped(1500, 0x9000, 0xA000), None), (mapped(1500, 0x2000, 0x3000), "changed"), (AGAIN, None)],
    ids=["elsewhere", "under a frame", "the same again"],
)
def test_other_code_mapped_since_makes_another_stack(spool: Spool, mapping: Mapping, expected: str | None) -> None:
    one = snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005), ts=1000)
    spool.snapshots(one)
    spool.learned(named(1), inputs_hash_of(one))
    found = history()
    found.apply(mapping)
    known = wire.PATH_KNOWN
    ids, status = columns(table_of(spool, found), call_by(named(1), known, ts=1400), call_by(named(1), known, ts=1600))
    assert status == [None, expected]
    assert ids[0] == 0


def test_more_memory_for_jit_code_makes_no_other_stack(spool: Spool) -> None:
    found = History()
    maps = [MapsLine(0x1000, 0x2000, 0, (0, 0), 0, "//anon"), MapsLine(0x3000, 0x5000, 0x2000, (8, 1), 5, "/bin/x")]
    found.snapshot(ProcessStatus(PID, 1, 0, PID), {PID: "x"}, maps)
    one = snapshot_bytes.sample(
        1, snapshot_bytes.words(1, 7, 0, 0x4005), registers=(0x1010, SP, SP + 16, *snapshot_bytes.REGISTERS[3:])
    )
    modules = cast("Modules", JitModules())
    spool.snapshots(one)
    spool.learned(named(1), hash_of(one, found, modules))
    found.apply(Mapping(1500, PID, 0x1000, 0x2800, 0, "//anon", None, (0, 0), 0))
    table = UnwoundStacks(found, modules, cast("PerfMaps", FakeMaps()))
    table.read(spool.path, spool.learned_path, lambda _share: None)
    ids, status = columns(table, *(call_by(named(1), wire.PATH_KNOWN, ts=ts) for ts in (1400, 1600)))
    assert (ids, status) == ([0, 0], [None, None])


class FakeKnown:
    """The learner's side of KnownStacks."""

    is_full = False

    def __init__(self) -> None:
        self.stacks: dict[Key, list[KnownStack]] = {}
        self.count = 0

    def variants(self, key: Key) -> list[KnownStack]:
        return self.stacks.get(key, [])

    def add(self, stack: KnownStack) -> bool:
        self.stacks.setdefault(stack.key, []).append(stack)
        return True

    def all(self) -> list[KnownStack]:
        return [stack for variants in self.stacks.values() for stack in variants]

    def remove(self, key: Key) -> None:
        self.stacks.pop(key, None)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> FakeKnown:
    monkeypatch.setattr(learner.procfs, "executable_maps", lambda _pid: [CODE])
    monkeypatch.setattr(learner, "_LONGEST_TURN", 60.0)
    monkeypatch.setattr(learner, "_MOST_SAVED", 60.0)
    return FakeKnown()


def test_a_new_stack_is_learned_once(known: FakeKnown) -> None:
    learning = StackLearner(cast("KnownStacks", known), MODULES)
    sample = snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005, 5))
    learning.take(CPU, sample)
    learned = np.frombuffer(learning.work(), LEARNED)
    assert learned["snapshot"].tolist() == [named(1)]
    assert learned["inputs_hash"].tolist() == [inputs_hash_of(sample)]
    [[stack]] = known.stacks.values()
    assert stack.words == {SP: 0x2005, SP + 8: 0x4005}, "what the walk did not read is compared"
    learning.take(CPU, snapshot_bytes.sample(2, snapshot_bytes.words(0x2005, 0x4005, 6)))
    assert learning.work() == b"", "the same stack is learned again"
    learning.take(CPU, snapshot_bytes.sample(3, snapshot_bytes.words(0x3005, 0x4005)))
    assert len(learning.work()) == LEARNED.itemsize
    assert not learning.is_behind


def test_a_stack_that_is_not_whole_is_not_learned(known: FakeKnown) -> None:
    learning = StackLearner(cast("KnownStacks", known), MODULES)
    for number, stack in enumerate(([0x2005], [0x2005, 0x9005], [])):
        learning.take(CPU, snapshot_bytes.sample(number, snapshot_bytes.words(*stack)))
        assert learning.work() == b""
    assert known.stacks == {}


@pytest.mark.parametrize(
    ("event", "left"),
    [
        (Exit(5, PID, PID), 0),
        (Exit(5, PID, PID + 1), 1),
        (Comm(5, PID, PID, "new", True), 0),
        (Comm(5, PID, PID, "renamed", False), 1),
        (mapped(5, 0x2000, 0x3000), 0),
        (mapped(5, 0x9000, 0xA000), 1),
        (Exit(5, PID + 7, PID + 7), 1),
    ],
)
def test_known_stacks_of_one_process_do_not_outlive_what_they_were_in(
    known: FakeKnown, event: Any, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "groups_of", lambda *_: None)
    learning = StackLearner(cast("KnownStacks", known), MODULES)
    learning.take(CPU, snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005)))
    learning.work()
    learning.notice([event], LATER)
    assert len(known.stacks) == left


def test_a_stack_that_others_can_have_outlives_its_process(known: FakeKnown) -> None:
    learning = StackLearner(cast("KnownStacks", known), MODULES)
    learning.take(CPU, snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005)))
    learning.work()
    learning.notice([Comm(5, PID, PID, "new", True), Exit(6, PID, PID)], LATER)
    [[stack]] = known.stacks.values()
    assert stack.groups == {SP: IP_SHIFT, SP + 8: IP_SHIFT}
    moved = snapshot_bytes.words(0x2005 + 0x6000, 0x4005 + 0x6000)
    registers = (0x1010 + 0x6000, SP + 0x100, *snapshot_bytes.REGISTERS[2:])
    learning.take(CPU, snapshot_bytes.sample(2, moved, pid=PID + 1, registers=registers))
    assert learning.work() == b"", "another process learns it again"


def test_a_new_leg_begins_with_what_is_known(known: FakeKnown) -> None:
    learning = StackLearner(cast("KnownStacks", known), MODULES, is_carried=True)
    sample = snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005, 5, 6, 7))
    learning.take(CPU, sample)
    rows = learning.work()
    snapshots, learned = learning.carried(LATER)
    assert learned == rows
    [carried] = snapshots
    assert carried.stack == snapshot_bytes.words(0x2005, 0x4005), "more is carried than unwinding reads"
    [whole], _ = snapshot_stream().feed(cpu_of(carried), samples_of(carried))
    assert whole == carried
    assert (whole.number, whole.registers, whole.depth) == (named(1), snapshot_bytes.REGISTERS, 0x800)
    assert len(known.stacks) == 1, "the BPF program forgets it"
    assert learning.carried(LATER)[1] == rows, "the leg after that lacks it"


@pytest.mark.parametrize("event", [Comm(1001, PID, PID, "new", True), Exit(1001, PID, PID), Fork(1001, PID, PID, 1, 1)])
def test_a_stack_whose_process_is_gone_is_not_in_a_new_leg(known: FakeKnown, event: Any) -> None:
    learning = StackLearner(cast("KnownStacks", known), MODULES, is_carried=True)
    learning.take(CPU, snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005), ts=1000))
    learning.work()
    learning.notice([event], 2000)
    assert len(known.stacks) == 1, "others can have it"
    assert learning.carried(3000) == ([], b"")
    assert known.stacks == {}, "calls get a stack that cannot be unwound"


def test_no_stack_is_learned_from_a_snapshot_of_the_leg_before(known: FakeKnown) -> None:
    learning = StackLearner(cast("KnownStacks", known), MODULES, is_carried=True)
    learning.take(CPU, snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005), ts=1000))
    learning.carried(1500)
    learning.take(CPU, snapshot_bytes.sample(2, snapshot_bytes.words(0x2005, 0x4005), ts=1400))
    assert learning.work() == b""
    learning.take(CPU, snapshot_bytes.sample(3, snapshot_bytes.words(0x2005, 0x4005), ts=1600))
    assert np.frombuffer(learning.work(), LEARNED)["snapshot"].tolist() == [named(3)]


def test_a_process_that_has_ended_is_learned_from_by_what_it_had_mapped(
    known: FakeKnown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner.procfs, "executable_maps", lambda _pid: [])
    learning = StackLearner(cast("KnownStacks", known), MODULES)
    code = Mapping(11, PID, CODE.start, CODE.end, 0, CODE.path, None, CODE.device, CODE.inode)
    learning.notice([Comm(10, PID, PID, "it", True), code], 900)
    sample = snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005), ts=1000)
    learning.take(CPU, sample)
    assert learning.work() == b"", "what was mapped until then is not known yet"
    learning.take(CPU, snapshot_bytes.sample(3, snapshot_bytes.words(0x2005, 0x4005), ts=1400))
    learning.notice([Comm(1100, PID, PID, "other", True), Exit(1200, PID, PID)], 1300)
    learned = np.frombuffer(learning.work(), LEARNED)
    assert learned["inputs_hash"].tolist() == [inputs_hash_of(sample)]
    learning.take(CPU, snapshot_bytes.sample(2, snapshot_bytes.words(0x3005, 0x4005), ts=1250))
    assert learning.work() == b"", "the program that was executed since has mapped nothing"


def test_calls_of_other_processes_have_their_own_frames(spool: Spool) -> None:
    one = snapshot_bytes.sample(1, snapshot_bytes.words(0x2005, 0x4005))
    spool.snapshots(one)
    spool.learned(named(1), inputs_hash_of(one))
    found, shift = history(), 0x6000
    for pid, inode, moved in ((PID + 1, CODE.inode, shift), (PID + 2, 77, shift), (PID + 3, CODE.inode, 2 * shift)):
        line = MapsLine(CODE.start + moved, CODE.end + moved, 0, (8, 1), inode, CODE.path)
        found.snapshot(ProcessStatus(pid, 1, 0, pid), {pid: "x"}, [line])
    table = table_of(spool, found)
    known, mixed = wire.PATH_KNOWN, mixed_shifts([shift])
    ids, status = columns(
        table,
        call_by(named(1), known),
        call_by(named(1), known, pid=PID + 1, shift=mixed),
        call_by(named(1), known, pid=PID + 1, shift=mixed),
        call_by(named(1), known, pid=PID + 2, shift=mixed),
        call_by(named(1), known, pid=PID + 3, shift=mixed),
        call_by(named(1), known, pid=PID + 4, shift=mixed),
    )
    assert status == [None, None, None, "changed", "changed", "changed"], "another file, another place, nothing known"
    assert ids[1] == ids[2] != ids[0]
    parts = list(table.resolve())
    frames = [row for part in parts for row in part.frames]
    assert [row["ip"] for row in frames if row["stack_id"] == ids[1]] == [ip + shift for ip in (0x1010, 0x2005, 0x4005)]
    assert {row["stack_id"]: row["pid"] for part in parts for row in part.stacks} == {ids[0]: PID, ids[1]: PID + 1}


def test_learning_leaves_time_for_the_rings(known: FakeKnown, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(learner, "_MOST_SAVED", 0.2)
    monkeypatch.setattr(learner, "_LONGEST_TURN", 0.02)
    monkeypatch.setattr(learner.time, "monotonic", lambda: clock[0])

    def slow(*arguments: Any) -> UnwoundStack:
        clock[0] += 0.004
        return unwind_snapshot(*arguments)

    monkeypatch.setattr(learner, "unwind_snapshot", slow)
    learning = StackLearner(cast("KnownStacks", known), MODULES)
    for number in range(400):
        registers = (0x1010 + number % 256, SP + 16 * number, *snapshot_bytes.REGISTERS[2:])
        learning.take(CPU, snapshot_bytes.sample(number, snapshot_bytes.words(0x4005), registers=registers))
    done = []
    for _ in range(30):
        begin = clock[0]
        done.append(len(learning.work()) // LEARNED.itemsize)
        assert clock[0] - begin < 0.03, "the rings waited"
    assert sum(done) <= 100, "more than what was saved up was spent"
    assert learning.is_behind
    clock[0] += 10
    assert len(learning.work()) // LEARNED.itemsize == 5


def test_stacks_that_end_where_their_copies_end_are_told_apart_by_that(spool: Spool) -> None:
    endless = [0x2005] * 6
    spool.snapshots(
        snapshot_bytes.sample(1, snapshot_bytes.words(*endless)),
        snapshot_bytes.sample(2, snapshot_bytes.words(*endless)),
        snapshot_bytes.sample(3, snapshot_bytes.words(*endless, 0x2005)),
        snapshot_bytes.sample(4, snapshot_bytes.words(*endless, 0x4005)),
    )
    table = table_of(spool)
    ids, _ = columns(table, *(call_by(named(number)) for number in (1, 2, 3, 4)))
    assert ids[0] == ids[1]
    assert len({ids[0], ids[2], ids[3]}) == 3
    stacks = [row for part in table.resolve() for row in part[0]]
    assert [row["status"] for row in stacks] == ["stack-truncated", "stack-truncated", "root"]


def test_a_walk_that_needs_a_page_that_was_not_read_says_so(spool: Spool) -> None:
    sp = snapshot_bytes.REGISTERS[1]
    assert sp % 4096 == 0
    words = snapshot_bytes.words(*[0x2005] * 512, *[0] * 512, 0x4005)
    spool.snapshots(snapshot_bytes.sample(1, words, missing=0b10))
    table = table_of(spool)
    [number], _ = columns(table, call_by(named(1)))
    assert number is not None
    [stack] = [row for part in table.resolve() for row in part[0]]
    assert stack["status"] == "unreadable"
    assert stack["depth"] > 1

"""record/processes/history.py: who a thread was, what a process had mapped, and when it ended."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.bpf.sideband import Comm, Exit, Fork, Lost, Mapping
from bpfrec.record.finish.rows import process_rows, thread_rows
from bpfrec.record.processes.descriptors import DescriptorSnapshot
from bpfrec.record.processes.history import BEFORE, History
from bpfrec.record.processes.procfs import MapsLine, ProcessStatus

LINE = MapsLine(0x1000, 0x2000, 0, (8, 1), 5, "/bin/old")


def mapping(pid: int, when: int, start: int = 0x5000, path: str = "/lib/new") -> Mapping:
    return Mapping(when, pid, start, start + 0x1000, 0, path, None, None, None)


def history(*events: Comm | Exit | Fork | Lost | Mapping, threads: dict[int, str] | None = None) -> History:
    """Process 10, found at the start, and what happened after it."""
    found = History()
    life = found.snapshot(ProcessStatus(10, 1, 1000, 10), threads or {10: "main"}, [LINE])
    life.exe = "/bin/old"
    for event in events:
        found.apply(event)
    return found


def name_at(found: History, tid: int, when: int) -> str | None:
    index = int(found.name_lookup().lookup(np.array([tid]), np.array([when]))[0])
    return found.names[index].comm if index >= 0 else None


def test_names_hold_until_they_change() -> None:
    found = history(Comm(100, 10, 10, "later", exec=False))
    assert [name_at(found, 10, when) for when in (5, 99, 100)] == ["main", "main", "later"]
    assert [(n.start, n.end) for n in found.names] == [(BEFORE, 100), (100, None)]


def test_a_child_has_its_parents_name_and_mappings_until_it_execs() -> None:
    found = history(
        Fork(100, 20, 20, 10, 10),
        Comm(200, 20, 20, "sh", exec=True),
        mapping(20, 210, path="/bin/sh"),
        Exit(300, 20, 20),
    )
    assert [name_at(found, 20, when) for when in (99, 150, 250)] == [None, "main", "sh"]
    paths = {
        when: [m.path for m in space.mappings] for when in (150, 250) if (space := found.address_space_at(20, when))
    }
    assert paths == {150: ["/bin/old"], 250: ["/bin/sh"]}, "an exec must forget what was mapped before it"
    (life,) = found.lives(20)
    assert (life.parent, life.start, life.end, life.exe) == (10, 100, 300, "/bin/old")


def test_a_process_ends_with_its_last_thread() -> None:
    one_left = history(Fork(50, 10, 12, 10, 10), Exit(100, 10, 11), threads={10: "main", 11: "worker"})
    assert one_left.lives(10)[0].end is None, "a process whose worker ended still runs"
    for event in (Exit(200, 10, 10), Exit(300, 10, 12)):
        one_left.apply(event)
    assert one_left.lives(10)[0].end == 300, "the last thread, not the main one, ends the process"


def test_an_exec_by_a_worker_ends_the_other_threads() -> None:
    found = history(
        Exit(100, 10, 10), Comm(101, 10, 10, "new", exec=True), Exit(200, 10, 10), threads={10: "main", 11: "worker"}
    )
    assert found.lives(10)[0].end == 200, "the worker took over the id of the process: its old id never ends by itself"
    assert [(n.comm, n.end) for n in found.names] == [("main", 100), ("worker", 101), ("new", 200)]


def test_a_pid_used_again_is_another_process() -> None:
    found = history(Exit(100, 10, 10), Fork(200, 10, 10, 1, 1), Comm(201, 10, 10, "second", exec=True))
    assert [(life.start, life.end) for life in found.lives(10)] == [(BEFORE, 100), (200, None)]
    assert name_at(found, 10, 250) == "second"


def test_a_process_made_between_side_band_and_snapshot_is_one() -> None:
    found = history(Fork(5, 10, 10, 1, 1))
    assert [(life.start, life.exe) for life in found.lives(10)] == [(5, "/bin/old")], "the same process is listed twice"


def test_the_latest_mapping_of_an_address_counts() -> None:
    found = history(mapping(10, 100, path="/lib/first"), mapping(10, 200, path="/lib/second"))
    space = found.address_space_at(10, 250)
    assert space is not None
    paths = [m.path if (m := space.find(0x5800, when)) else None for when in (99, 100, 200)]
    assert paths == [None, "/lib/first", "/lib/second"]
    assert space.find(0x6000, 300) is None, "the end of a mapping is not part of it"


def test_a_change_of_mappings_begins_another_epoch() -> None:
    lookup = history(mapping(10, 100)).mapping_lookup()
    before, at, after = lookup.lookup(np.array([10, 10, 10]), np.array([99, 100, 101])).tolist()
    assert before != at, "stacks before and after a dlopen() must not be merged"
    assert at == after


def test_lost_events_are_counted() -> None:
    assert history(Lost(3), Lost(4)).lost_events == 7


def test_a_process_whose_main_thread_had_ended_ends_with_its_last_thread() -> None:
    found = History()
    life = found.snapshot(ProcessStatus(10, 1, 1000, 10), {10: "main", 11: "other"}, [LINE], ended={10})
    found.apply(Exit(200, 10, 11))
    assert life.end == 200


def test_forks_share_the_mappings_that_they_inherit() -> None:
    found = history(
        Fork(100, 20, 20, 10, 10),
        Mapping(110, 20, 0x5000, 0x6000, 0, "/lib/child", None, None, None),
        Mapping(120, 10, 0x7000, 0x8000, 0, "/lib/parent", None, None, None),
        Fork(130, 30, 30, 20, 20),
        Fork(140, 40, 40, 30, 30),
    )

    def paths(pid: int) -> list[str]:
        space = found.address_space_at(pid, 200)
        assert space is not None
        return [mapping.path for mapping in space.mappings]

    assert paths(20) == paths(30) == paths(40) == ["/bin/old", "/lib/child"], "not what the parent mapped later"
    assert paths(10) == ["/bin/old", "/lib/parent"]
    spaces = [found.address_space_at(pid, 200) for pid in (30, 40)]
    assert all(space is not None and space.own == [] and space.find(0x5000, 200) for space in spaces)
    assert {found.program(pid, 200) for pid in (10, 20, 30, 40)} == {"/bin/old"}


def twice() -> History:
    """Process 20 of main, then another process 20."""
    return history(
        Fork(100, 20, 20, 10, 10),
        Comm(110, 20, 20, "first", exec=True),
        Exit(200, 20, 20),
        Fork(300, 20, 20, 99, 99),
        Comm(310, 20, 20, "second", exec=True),
        Exit(400, 20, 20),
    )


def told(what: int, when: int, **columns: int) -> NDArray[np.void]:
    return ring_bytes.decode(ring_bytes.process(what, pid=20, ts=when, **columns)).processes


def test_what_is_told_of_a_process_goes_to_the_one_that_had_the_pid_then() -> None:
    found = twice()
    found.note_processes(told(wire.BORN, 101, ns_pid=5, pid_ns=6, uid=65534))
    found.note_processes(told(wire.ENDED, 199, status=9))
    found.note_processes(told(wire.ENDED, 399, status=3 << 8))
    found.note_calls(np.array([20, 10, 20], np.int32), np.array([150, 150, 350]))
    rows = list(process_rows(found, DescriptorSnapshot(), {20}))
    columns = ("start_ns", "comm", "uid", "ns_pid", "pid_ns", "exit_code", "signal")
    assert [tuple(row[c] for c in columns) for row in rows] == [
        (100, "first", 65534, 5, 6, None, 9),
        (300, "second", None, None, None, 3, None),
    ]


def test_a_process_that_got_the_pid_and_made_no_recorded_calls_is_not_told_of() -> None:
    found = twice()
    found.note_calls(np.array([20], np.int32), np.array([150]))
    assert [row["comm"] for row in process_rows(found, DescriptorSnapshot(), {20})] == ["first"]
    assert [(row["start_ns"], row["comm"]) for row in thread_rows(found, {20})] == [(100, "main"), (110, "first")]

"""Who waits for whom: futexes and locks of files, chains and deadlocks."""

from __future__ import annotations

import pytest
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema

PRIVATE = 128
WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, WAIT_BITSET, WAKE_BITSET = 0, 1, 3, 4, 5, 6, 7, 9, 10
A, B = 0x7F0000001000, 0x7F0000002000
FILE = "/var/lock/x"
SH, EX, NB, UN = 1, 2, 4, 8
SETLK, SETLKW, OFD_SETLKW = 6, 7, 38
READ, WRITE, UNLOCK = 0, 1, 2


class Locks(TraceBuilder):
    """Processes 4242 (threads 4242 to 4246) and 99, which has FILE open as 3, as the others have. Times are ms."""

    def __init__(self) -> None:
        super().__init__()
        for pid in (4242, 99):
            self.add(schema.PROCESSES, pid=pid, ppid=1, cwd="/", root="/", snapshot_ns=START_NS)
            for fd, name in ((3, FILE), (4, FILE), (5, "/other")):
                self.add(schema.DESCRIPTORS, pid=pid, fd=fd, target=name, flags=0, ts_ns=START_NS)
            for tid in range(pid, pid + 5):
                self.add(schema.THREADS, tid=tid, pid=pid, comm=f"t{tid}")

    def at(self, name: str, begin: float, end: float | None, tid: int, *args: int, ret: int | None = 0) -> int:
        pid = 99 if tid < 200 else 4242
        took = None if end is None else int((end - begin) * MS)
        columns = {"unfinished": "recording-stopped"} if end is None else {}
        result = None if end is None else ret
        return self.call(
            name, int(begin * MS), *args, ret=result, took=took, tid=tid, pid=pid, comm=f"t{tid}", **columns
        )

    def wait(self, begin, end, tid, address=A, op=WAIT | PRIVATE, value=2, timeout=0, ret=0):
        return self.at("futex", begin, end, tid, address, op, value, timeout, 0, 0, ret=ret)

    def wake(self, when, tid, ret=1, address=A, op=WAKE | PRIVATE, value=1, address2=0):
        return self.at("futex", when, when + 0.01, tid, address, op, value, 1000, address2, 0, ret=ret)

    def fcntl(self, begin, end, tid, command, kind, first=0, length=0, fd=3, ret=0):
        event = self.at("fcntl", begin, end, tid, fd, command, 0x1000, ret=ret)
        self.add(schema.STRUCTS, event_id=event, arg=2, kind="flock", word0=kind, word1=first, word2=length, word3=0)


@pytest.fixture
def locks(tmp_path):
    """A function that asks the report: waiter, holder, kind, object, waits, still, gave_up; and the notes."""
    columns = ("tid", "holder_tid", "kind", "object", "waits", "still", "gave_up")

    def ask(trace: Locks, **options):
        with bpfrec.open(trace.write(tmp_path / "trace.bpfrec")) as opened:
            result = opened.report("locks", **options)
            return [tuple(row[c] for c in columns) for row in result.dicts()], result.notes

    return ask


def futex(tid, holder, address=A, waits=1, still=0, gave_up=0, pid=4242):
    return (tid, holder, "futex", f"futex {address:#x} of process {pid}", waits, still, gave_up)


def test_the_thread_that_woke_it_is_the_holder(locks):
    trace = Locks()
    trace.wait(0, 10, 4242)
    trace.wake(5, 4244, address=B)
    trace.wake(6, 4244, ret=0)
    trace.wake(9, 4243)
    trace.wake(9.5, 99)  # another process has another futex there
    trace.wake(11, 4245)
    trace.wait(20, 20.05, 4242)  # too short
    assert locks(trace) == ([futex(4242, 4243)], [])


def test_who_came_first_is_woken_first(locks):
    trace = Locks()
    trace.wait(0, 9, 4243)
    trace.wait(1, 10.5, 4244, op=WAIT_BITSET | PRIVATE)
    trace.wait(2, 10.6, 4245)
    trace.wake(7, 4242)
    trace.wake(8, 4246, ret=2, op=WAKE_BITSET | PRIVATE)
    rows, _ = locks(trace)
    assert sorted(rows) == [futex(4243, 4242), futex(4244, 4246), futex(4245, 4246)]


def test_the_moved_are_woken_at_the_other_futex(locks):
    trace = Locks()
    trace.wait(0, 6, 4243)
    trace.wait(1, 12, 4244)
    trace.wake(5, 4242, op=CMP_REQUEUE | PRIVATE, ret=2, value=1, address2=B)
    trace.wake(11, 4246, address=B)
    rows, _ = locks(trace)
    assert sorted(rows) == [futex(4243, 4242), futex(4244, 4246)]


def test_an_operation_wakes_at_both(locks):
    trace = Locks()
    trace.wait(0, 6, 4243)
    trace.wait(1, 6, 4244, address=B)
    trace.wake(5, 4242, op=WAKE_OP | PRIVATE, ret=2, value=1, address2=B)
    trace.wait(10, 16, 4245, op=LOCK_PI | PRIVATE)
    trace.wake(15, 4246, op=UNLOCK_PI | PRIVATE, ret=0)
    rows, _ = locks(trace)
    assert sorted(rows) == [futex(4243, 4242), futex(4244, 4242, B), futex(4245, 4246)]


def test_nobody_ends_a_timeout(locks):
    trace = Locks()
    trace.wait(0, 5, 4243, timeout=0x5000, ret=-110)
    trace.wait(1, 8, 4244)
    trace.wake(7, 4242)
    rows, _ = locks(trace)
    assert rows == [futex(4244, 4242), futex(4243, None, gave_up=1)]


def test_an_end_of_a_thread_is_waited_for(locks):
    trace = Locks()
    trace.wait(0, 30, 4242, address=0x7F1000, op=WAIT_BITSET | 256, value=4243)
    rows, _ = locks(trace)
    assert rows == [(4242, 4243, "thread", "end of t4243 (4243 of 4242)", 1, 0, 0)]


def test_a_futex_in_shared_memory(locks):
    trace = Locks()
    for tid, address in ((4242, A), (99, B)):
        trace.at("mmap", 0, 0.001, tid, 0, 4096, 3, 1, 3, 8192, ret=address)
    trace.wait(1, 9, 4242, address=A + 8, op=WAIT)
    trace.wake(8, 99, address=B + 8, op=WAKE)
    trace.wake(8.5, 4243, address=A + 12, op=WAKE)
    assert locks(trace)[0] == [(4242, 99, "futex", f"futex {FILE}+{8192 + 8:#x}", 1, 0, 0)]


def test_flock_is_released_by_an_unlock_a_close_or_an_end(locks):
    trace = Locks()
    for number, begin in enumerate((0, 20, 40)):
        trace.at("flock", begin, begin, 99, 3, EX)
        trace.at("flock", begin + 1, begin + 11, 4242, 3, SH if number else EX)
        if number == 0:
            trace.at("flock", begin + 10, begin + 10, 99, 3, UN)
        elif number == 1:
            trace.at("close", begin + 9, begin + 9, 99, 4)  # another descriptor
            trace.at("close", begin + 10, begin + 10, 99, 3)
            trace.at("openat", begin + 15, begin + 15, 99, -100, 1, 0, ret=3)
            trace.rows["syscalls"][-1]["path"] = FILE
        trace.at("flock", begin + 12, begin + 12, 4242, 3, UN)
    trace.rows["processes"][1]["end_ns"] = START_NS + 50 * MS
    assert locks(trace)[0] == [(4242, 99, "flock", FILE, 3, 0, 0)]


def test_ranges_of_fcntl_are_told_apart(locks):
    trace = Locks()
    trace.fcntl(0, 0, 99, SETLK, WRITE, first=0, length=10)
    trace.fcntl(0.1, 0.1, 4243, SETLK, READ, first=100)  # to the end of the file
    trace.fcntl(1, 9, 99, SETLKW, WRITE, first=150, length=1)
    trace.fcntl(8, 8, 4243, SETLK, UNLOCK, first=120)
    trace.fcntl(10, None, 4242, SETLKW, WRITE, first=5, length=1)
    rows, _ = locks(trace)
    assert rows == [(4242, 99, "fcntl", FILE, 1, 1, 0), (99, 4243, "fcntl", FILE, 1, 0, 0)]


def test_locks_of_descriptors_belong_to_them(locks):
    trace = Locks()
    trace.at("flock", 0, 0, 4243, 3, EX)
    trace.at("flock", 1, 6, 4242, 4, EX)  # the same process by another descriptor
    trace.at("flock", 5, 5, 4243, 3, UN)
    trace.fcntl(10, 10, 99, SETLK, WRITE)
    trace.fcntl(11, 19, 4242, OFD_SETLKW, WRITE)
    trace.fcntl(18, 18, 99, SETLK, UNLOCK)
    rows, _ = locks(trace)
    assert rows == [(4242, 99, "fcntl", FILE, 1, 0, 0), (4242, 4243, "flock", FILE, 1, 0, 0)]


def test_a_circle_is_a_deadlock(locks):
    trace = Locks()
    trace.at("flock", 0, 0, 99, 3, EX)
    trace.at("flock", 1, 1, 4242, 5, EX)
    trace.at("flock", 1000, None, 99, 5, EX)
    trace.at("flock", 1000, None, 4242, 3, EX)
    rows, notes = locks(trace)
    assert sorted(rows) == [(99, 4242, "flock", "/other", 1, 1, 0), (4242, 99, "flock", FILE, 1, 1, 0)]
    (note,) = notes
    assert note.startswith("deadlock: t")
    assert "t99 (99) waits 1.00s for flock /other" in note
    assert "t4242 (4242) waits 1.00s for flock /var/lock/x" in note


def test_a_process_whose_threads_all_wait_hangs(locks):
    def hanging(**last):
        trace = Locks()
        for tid in range(4242, 4246):
            trace.wait(100, None, tid, address=A + tid)
        trace.wait(100, None, 4246, **last)
        return locks(trace)[1]

    (note,) = hanging()
    assert note.startswith("deadlock: all threads of process 4242 wait, without a timeout, for another of them: t4242")
    assert note.endswith(" and 1 more")
    assert hanging(timeout=0x5000) == []
    assert hanging(op=WAIT) == []  # another process may wake it
    assert len(hanging(op=WAIT, value=4242)) == 1  # but nobody ends a thread that waits


def test_a_chain_is_told(locks):
    trace = Locks()
    trace.wait(0, 100, 4242)
    trace.wait(10, 90, 4243, address=B)
    trace.wake(91, 4243)
    trace.wake(89, 4244, address=B)
    rows, notes = locks(trace)
    assert rows == [futex(4242, 4243), futex(4243, 4244, B)]
    (note,) = notes
    assert note == (
        f"chain: t4242 (4242) waits 100ms for futex {A:#x} of process 4242; its holder t4243 (4243 of 4242) waits"
        f" 80.0ms for futex {B:#x} of process 4242; its holder is t4244 (4244 of 4242)"
    )


def test_filters_choose_the_waits_and_not_their_holders(locks):
    trace = Locks()
    trace.wait(0, 10, 4242)
    trace.wake(9, 4243)
    trace.wait(20, 40, 4244)
    trace.wake(39, 4242)
    assert locks(trace, tid=4242)[0] == [futex(4242, 4243)]
    assert locks(trace, least_us=15_000)[0] == [futex(4244, 4242)]
    assert locks(trace, top=1)[0] == [futex(4244, 4242)]

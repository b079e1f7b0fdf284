"""What the trace holds and what it says it lost are together what happened, exactly and for every thread."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.live import PATIENCE, Recorder, Waiting, line_of, rows, started

import bpfrec

Programs = Callable[..., Path]

THREADS = 3
CALLS = 100_000
BYTES_PER_CALL = 48


def stalled(programs: Programs, output: Path, calls: int, *options: str) -> tuple[Recorder, str]:
    """A recorder that sleeps while threads make ``calls``, ``calls + 1`` ... getppid calls; and what it said."""
    workload = Waiting([programs("crowd"), "0", str(THREADS), str(calls)])
    recorder = Recorder(output, "-p", str(workload.pid), "-e", "getppid", *options)
    recorder.process.send_signal(signal.SIGSTOP)
    workload.go()
    recorder.process.send_signal(signal.SIGCONT)
    return recorder, recorder.wait()


def test_recorded_and_lost_add_up_for_every_thread(programs: Programs, tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    _, said = stalled(programs, output, CALLS, "--buffer", "256K")
    expected = [(CALLS + number,) for number in range(THREADS)]
    per_thread = (
        "SELECT sum(n)::BIGINT AS total FROM (SELECT tid, 1 AS n FROM syscalls UNION ALL"
        " SELECT tid, count FROM losses WHERE severity = 'data_loss') GROUP BY tid ORDER BY 1"
    )
    assert rows(output, per_thread) == expected
    [(lost,)] = rows(output, "SELECT sum(count)::BIGINT FROM losses")
    assert isinstance(lost, int)
    assert lost > CALLS, "256 KiB cannot hold so many calls"
    described = (
        "SELECT DISTINCT kind, cpu IS NOT NULL, pid IS NOT NULL, ts_ns <= until_ns,"
        " ts_ns BETWEEN (SELECT min(ts_ns) FROM syscalls) AND (SELECT max(ts_ns) FROM syscalls) + 60e9 FROM losses"
    )
    assert rows(output, described) == [("ring-full", True, True, True, True)]
    assert f"{lost:,} LOST" in said
    assert "on CPU" in said
    assert "--buffer" in said, "the summary has to name the setting that would have held"
    with bpfrec.open(output) as trace:
        assert trace.manifest.counters["lost"] == lost
        assert trace.manifest.configuration["ring_bytes_per_cpu"] == 1 << 18
        assert any(str(lost) in note.replace(",", "") for note in trace.loss_notes())


def test_a_buffer_holds_what_its_size_promises(programs: Programs, tmp_path: Path) -> None:
    size = 16 << 20
    calls = size * 9 // 10 // BYTES_PER_CALL // THREADS
    recorder, said = stalled(programs, tmp_path / "trace.bpfrec", calls, "--buffer", str(size))
    assert "nothing lost" in said
    assert rows(recorder.output, "SELECT count(*) FROM syscalls") == [(THREADS * calls + sum(range(THREADS)),)]


def with_room_for(threads: int, workload: Waiting, output: Path, calls: str) -> None:
    """Records ``calls`` of a workload, from "go" to its end, with twice as many slots as ``threads``."""
    small = f"import bpfrec.bpf.defines as d; d.MAX_THREADS = {threads}; from bpfrec.__main__ import main; main()"
    command = ["record", "-p", str(workload.pid), "-e", calls, "-o", str(output)]
    recorder = subprocess.Popen([sys.executable, "-c", small, *command], stderr=subprocess.PIPE, text=True)
    started.append(recorder)
    assert "recording" in line_of(recorder.stderr)
    workload.go()
    _, said = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, said


def lost_threads(output: Path) -> int:
    [(lost,)] = rows(output, "SELECT coalesce(sum(count), 0)::BIGINT FROM losses WHERE kind = 'thread-table-full'")
    return int(str(lost))


def test_threads_beyond_the_room_for_them_are_counted(programs: Programs, tmp_path: Path) -> None:
    threads, calls, room = 12, 2000, 4
    workload = Waiting([programs("crowd"), "0", str(threads), str(calls), "together"])
    output = tmp_path / "trace.bpfrec"
    with_room_for(room, workload, output, "getppid")
    per_thread = [int(str(count)) for (count,) in rows(output, "SELECT count(*) FROM syscalls GROUP BY tid")]
    assert len(per_thread) == 2 * room, "threads whose slot is taken find one elsewhere"
    assert set(per_thread) <= {calls + number for number in range(threads)}, "all calls of a thread, or none"
    assert sum(per_thread) + lost_threads(output) == threads * calls + sum(range(threads))


def test_threads_that_come_and_go_without_room_are_counted(programs: Programs, tmp_path: Path) -> None:
    threads, calls = 40, 3000
    workload = Waiting([programs("crowd"), "0", str(threads), str(calls)])
    output = tmp_path / "trace.bpfrec"
    with_room_for(1, workload, output, "getppid")
    [(recorded,)] = rows(output, "SELECT count(*) FROM syscalls")
    assert int(str(recorded)) + lost_threads(output) == threads * calls + sum(range(threads))


ROOM_DURING_A_CALL = """
import os, select, threading, time
tids, reading, writing = {}, *os.pipe()
leave = threading.Event()
def take_room():
    tids["first"] = threading.get_native_id()
    os.getppid()
    leave.wait()
def wait():
    tids["second"] = threading.get_native_id()
    poll = select.poll()
    poll.register(reading)
    poll.poll()
    for _ in range(3):
        os.getppid()
def state(thread, file):
    try:
        with open(f"/proc/self/task/{tids.get(thread, 0)}/{file}") as opened:
            return opened.read()
    except OSError:
        return ""
print("ready", flush=True)
input()
os.getppid()
first, second = threading.Thread(target=take_room), threading.Thread(target=wait)
first.start()
while "S (sleeping)" not in state("first", "status"):
    time.sleep(0.01)
second.start()
while not state("second", "syscall").startswith("7 "):
    time.sleep(0.01)
leave.set()
while state("first", "status"):
    time.sleep(0.01)
os.write(writing, b"x")
second.join()
"""


def test_a_call_that_was_lost_when_it_began_is_not_recorded_when_it_ends(tmp_path: Path) -> None:
    """There is room for two threads; a third one waits in poll() when one of them leaves."""
    workload = Waiting([sys.executable, "-c", ROOM_DURING_A_CALL])
    output = tmp_path / "trace.bpfrec"
    with_room_for(1, workload, output, "getppid,poll")
    assert rows(output, "SELECT syscall, count(*) FROM syscalls GROUP BY 1") == [("getppid", 1 + 1 + 3)]
    assert rows(output, "SELECT kind, count FROM losses") == [("thread-table-full", 1)]

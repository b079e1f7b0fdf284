"""Reports that no other tool has, on programs that do known things."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from support.live import TIMES, KnownRecording, Recorder, Waiting, record_command, wait_for_call

import bpfrec

Programs = Callable[..., Path]
FUTEX, FLOCK = 202, 73
"""The numbers of the calls on x86-64."""

LEFT_OPEN = {
    ("openat", "/session-*"): (12, 12, 0),
    ("eventfd2", "anon_inode:[eventfd]"): (7, 7, 0),
    ("pipe2", "pipe"): (6, 6, 0),
    ("socketpair", "unix:"): (4, 4, 0),
    ("dup", "pipe"): (6, 6, 0),
    ("fcntl", "pipe"): (5, 5, 0),
    ("dup2", "pipe"): (5, 18, 13),
    ("openat", "/dev/null"): (5, 9, 4),
    ("openat", "/etc/passwd"): (1, 1, 0),
}
"""What ``leaking`` leaves open: open, opened and closed by call and name."""


def test_descriptors_that_are_never_closed_are_counted_by_stack(programs: Programs, tmp_path: Path) -> None:
    workload = Waiting([programs("leaking"), tmp_path])
    output = tmp_path / "trace.bpfrec"
    recorder = Recorder(output, "-p", str(workload.pid), "--follow", "--stack-on", "all")
    workload.go_until("done")
    recorder.stop()
    workload.end()
    with bpfrec.open(output) as trace:
        rows = trace.report("leaks", least=1, top=0).dicts()
        ended = trace.report("leaks", least=5, ended=True, top=0).dicts()
    found = {}
    for row in rows:
        assert row["unknown"] == row["left_at_exit"] == 0
        assert ("work" if row["name"] == "/dev/null" else "main") + " [leaking]" in row["frames"]
        name = "pipe" if row["name"].startswith("pipe") else row["name"].removeprefix(str(tmp_path))
        found[row["syscall"], name] = (row["open"], row["opened"], row["closed"])
    assert found == LEFT_OPEN
    (child,) = [row for row in ended if row["left_at_exit"]]
    assert (child["name"], child["left_at_exit"], child["opened"], child["closed"]) == ("/etc/hosts", 5, 11, 6)


def test_what_a_program_leaves_open_when_it_ends_is_not_open(programs: Programs, tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    done = record_command(output, programs("leaking"), tmp_path)
    assert done.returncode == 0, done.stderr
    with bpfrec.open(output) as trace:
        none = trace.report("leaks", least=1)
        assert not none.rows
        assert [note for note in none.notes if "--ended" in note]
        left = {
            row["name"].removeprefix(str(tmp_path)): row["left_at_exit"]
            for row in trace.report("leaks", ended=True).dicts()
        }
    assert left["/session-*"] == 12
    assert left["anon_inode:[eventfd]"] == 7


def test_who_waited_for_whom(programs: Programs, tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    done = record_command(output, programs("locking"), tmp_path)
    assert done.returncode == 0, done.stderr
    with bpfrec.open(output) as trace:
        result = trace.report("locks", least_us=5_000, top=0)
        ((main,),) = trace.sql("SELECT pid FROM processes WHERE start_ns IS NULL").fetchall()
    rows = result.dicts()
    assert not [note for note in result.notes if "deadlock" in note]
    assert not [row for row in rows if row["still"] or row["gave_up"] or row["holder_tid"] in (None, row["tid"])]
    files = {row["object"].rpartition("/")[2]: row for row in rows if row["kind"] in ("flock", "fcntl")}
    assert {(name, row["kind"], row["waits"]) for name, row in files.items()} == {
        ("flocked", "flock", 4),
        ("ranged", "fcntl", 2),
    }
    assert {row["pid"] for row in files.values()} == {main}
    assert main not in {row["holder_pid"] for row in files.values()}
    (shared,) = [row for row in rows if row["object"].endswith("/memory+0x1008")]
    assert (shared["waits"], shared["pid"]) == (4, main)
    assert shared["holder_pid"] not in (main, files["flocked"]["holder_pid"])
    mutex = max((row for row in rows if row["kind"] == "futex" and row["holder_pid"] == main), key=lambda r: r["waits"])
    assert mutex["waits"] == 5
    assert mutex["pid"] == main
    joined = {row["holder_tid"] for row in rows if row["kind"] == "thread" and row["tid"] == main}
    assert mutex["holder_tid"] in joined


def test_what_hangs_is_told(programs: Programs, tmp_path: Path) -> None:
    workload = Waiting([programs("locking"), tmp_path, "deadlock", "120"])
    output = tmp_path / "trace.bpfrec"
    recorder = Recorder(output, "-p", str(workload.pid), "--follow")
    assert workload.process.stdin is not None
    workload.process.stdin.write("go\n")
    workload.process.stdin.flush()
    wait_for_call(workload.pid, FUTEX, threads=3)
    children = Path(f"/proc/{workload.pid}/task/{workload.pid}/children").read_text().split()
    for child in children:
        wait_for_call(int(child), FLOCK)
    recorder.stop()
    with bpfrec.open(output) as trace:
        notes = [note for note in trace.report("locks").notes if note.startswith("deadlock: ")]
    assert len(notes) == 2
    assert all(f"({child})" in notes[0] for child in children)
    assert f"all threads of process {workload.pid} wait" in notes[1]
    for child in children:
        os.kill(int(child), signal.SIGKILL)


def test_the_start_of_a_program_adds_up(known_recording: KnownRecording) -> None:
    with bpfrec.open(known_recording.trace) as trace:
        rows = trace.report("startup").dicts()
        ((calls,),) = trace.sql("SELECT count(*) FROM syscalls WHERE tid = pid").fetchall()
    kinds = {row["kind"]: row for row in rows if row["part"] == "kind"}
    assert (rows[0]["comm"], rows[0]["is_exec"], rows[0]["until"]) == ("known", True, "it ended")
    assert kinds["sleeping"]["calls"] == TIMES
    assert kinds["missing files"]["calls"] >= TIMES
    for part in ("kind", "phase"):
        assert sum(row["time_ns"] for row in rows if row["part"] == part) == rows[0]["whole_ns"]
        assert sum(row["calls"] for row in rows if row["part"] == part) <= calls

"""Reports that no other tool has, on programs that do known things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.live import Recorder, Waiting, record_command

import bpfrec

Programs = Callable[..., Path]

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

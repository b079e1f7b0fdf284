"""--cgroup: threads that are in a cgroup, or below it, at the time of the call."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.live import PATIENCE, TIMES, Recorder, Waiting, cannot_run, rows

Programs = Callable[..., Path]

VISITOR = """
import os, sys
def go(folder):
    with open(folder + "/cgroup.procs", "w") as file:
        file.write("0")
def call(times):
    for _ in range(times):
        os.getppid()
print("ready", flush=True)
input()
home = sys.argv[1].rpartition("/")[0]
call(10)
go(sys.argv[1])
call(20)
go(home)
call(40)
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup with one below it."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    mounted = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    if mounted is None:
        cannot_run("no cgroup2 is mounted: mount -t cgroup2 none /mnt")
    assert mounted is not None
    folder = mounted / f"bpfrec-test-{time.monotonic_ns()}"
    try:
        (folder / "below").mkdir(parents=True)
    except OSError as error:
        cannot_run(f"no cgroup can be made in {mounted}: {error.strerror}")
    yield folder
    for process in (folder / "below" / "cgroup.procs").read_text().split():
        (mounted / "cgroup.procs").write_text(process)
    (folder / "below").rmdir()
    folder.rmdir()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "trace.bpfrec"


def test_processes_that_are_moved_in_and_below(programs: Programs, output: Path, group: Path, tmp_path: Path) -> None:
    (tmp_path / "existing").write_text("seven bytes and more")
    inside, outside = (Waiting([programs("known"), tmp_path, "wait"]) for _ in range(2))
    server = Waiting([programs("forking"), "20"])
    recorder = Recorder(output, "--cgroup", group.name)
    for process in (inside, server):
        (group / "below" / "cgroup.procs").write_text(str(process.pid))
    for process in (inside, outside, server):
        process.go()
    recorder.stop()
    paths = rows(output, "SELECT pid, count(*) FROM syscalls WHERE path LIKE '%/missing' GROUP BY pid")
    assert paths == [(inside.pid, TIMES)]
    calls = rows(output, "SELECT count(*) AS n FROM syscalls WHERE syscall = 'getppid' GROUP BY pid ORDER BY n")
    assert calls == [(20 + i,) for i in range(20)], "children are born into their parent's cgroup"
    assert rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'getgid'") == [(0,)], "nobody moved that child"
    [(comm, ppid, exit_code)] = rows(
        output, f"SELECT comm, ppid IS NOT NULL, exit_code FROM processes WHERE pid = {inside.pid}"
    )
    assert (comm, ppid, exit_code) == ("known", True, 0), "what was there before it moved in is known"


def test_a_visitor_is_recorded_while_it_is_there(output: Path, group: Path) -> None:
    visitor = Waiting([sys.executable, "-c", VISITOR, str(group)])
    recorder = Recorder(output, "--cgroup", str(group), "-e", "getppid")
    visitor.go()
    recorder.stop()
    assert rows(output, "SELECT pid, count(*) FROM syscalls GROUP BY pid") == [(visitor.pid, 20)]


def test_it_narrows_down_what_else_is_asked_for(programs: Programs, output: Path, group: Path, tmp_path: Path) -> None:
    (tmp_path / "existing").write_text("seven bytes and more")
    first, second, third = (Waiting([programs("known"), tmp_path, "wait"]) for _ in range(3))
    for process in (first, third):
        (group / "cgroup.procs").write_text(str(process.pid))
    recorder = Recorder(output, "-p", str(first.pid), "-p", str(second.pid), "--cgroup", str(group))
    for process in (first, second, third):
        process.go()
    recorder.wait()
    assert rows(output, "SELECT DISTINCT pid FROM syscalls") == [(first.pid,)]


def test_samples_of_a_cgroup(programs: Programs, output: Path, group: Path) -> None:
    inside, outside = (Waiting([programs("spinning", "-O2"), "200", "wait"]) for _ in range(2))
    recorder = Recorder(output, "--cgroup", str(group), "--profile", "499")
    (group / "below" / "cgroup.procs").write_text(str(inside.pid))
    for process in (inside, outside):
        process.go()
    recorder.stop()
    [(pids, enough)] = rows(output, "SELECT list(DISTINCT pid), count(*) > 20 FROM samples")
    assert (pids, enough) == ([inside.pid], True)


@pytest.mark.parametrize(
    ("name", "message"), [("no/such", "there is no cgroup no/such"), ("/tmp", "there is no cgroup /tmp")]
)
@pytest.mark.usefixtures("group")
def test_cgroups_that_do_not_exist(output: Path, name: str, message: str) -> None:
    command = [sys.executable, "-m", "bpfrec", "record", "--cgroup", name, "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "systemd-cgls" in done.stderr

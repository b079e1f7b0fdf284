"""Rounds of the soak in which a recorder gets hardly any CPU time, while others make calls as fast as they can."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from checking import PATIENCE, check, members

import bpfrec

_PROCESSES, _CALLS = 2, 400_000
_LOWEST = 19
_SHARE = 0.05
_PERIOD = 100_000
# It waits until calls are recorded, makes a known number of them in each process, and says when all are made.
_WORKLOAD = f"""
import os, sys
print("ready", flush=True)
sys.stdin.readline()
for number in range({_PROCESSES}):
    if os.fork() == 0:
        for _ in range({_CALLS} + number):
            os.getppid()
        os._exit(0)
for number in range({_PROCESSES}):
    os.wait()
print("done", flush=True)
sys.stdin.readline()
"""
_BUSY = "while True: pass"
# By process: what was recorded of it, and what was lost.
_COUNTS = """
SELECT sum(recorded)::BIGINT, sum(lost)::BIGINT, sum(recorded + lost)::BIGINT AS made
FROM (SELECT pid, 1 AS recorded, 0 AS lost FROM syscalls WHERE syscall = 'getppid'
  UNION ALL SELECT pid, 0, count FROM losses WHERE kind = 'ring-full')
JOIN processes p USING (pid) WHERE p.ppid = {parent} GROUP BY pid ORDER BY made
"""
_ways: list[str] = []
_OWN = "SELECT count(*) FROM syscalls WHERE list_contains({pids}, pid)"


def starve_round(folder: Path, _choose: random.Random, _length: float) -> str:
    """Records with little CPU time, small rings and two busy loops beside; says what became of the calls."""
    how = _next_way()
    output = folder / "t.bpfrec"
    workload = subprocess.Popen(
        [sys.executable, "-c", _WORKLOAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    busy: list[subprocess.Popen[bytes]] = []
    try:
        check(_line(workload) == "ready", "the workload does not begin")
        whom = ["-a"] if how == "-a" else ["-p", str(workload.pid), "--follow"]
        # Only those calls are recorded of which it is known how many are made, so that what is lost can be counted.
        command = [sys.executable, "-m", "bpfrec", "record", "-o", str(output), "--buffer", "256K", "-e", "getppid"]
        recorder = subprocess.Popen([*command, *whom], stderr=subprocess.PIPE, text=True, start_new_session=True)
        check(recorder.stderr is not None and "recording" in recorder.stderr.readline(), "it does not begin")
        busy += [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]
        with starved(how, recorder.pid, folder):
            begin = time.monotonic()
            own = members(recorder.pid)
            check(_line(workload, "go\n") == "done", "the workload does not end")
            took = time.monotonic() - begin
            recorder.send_signal(signal.SIGINT)
            _, said = recorder.communicate(timeout=PATIENCE)
        check(recorder.returncode == 0, said)
    finally:
        for process in (*busy, workload):
            process.kill()
            process.wait()
    with bpfrec.open(output) as trace:
        counts = trace.sql(_COUNTS.format(parent=workload.pid)).fetchall()
        ((recorded_own,),) = trace.sql(_OWN.format(pids=own)).fetchall()
    made = [total for _, _, total in counts]
    check(
        made == [_CALLS + number for number in range(_PROCESSES)], f"{how}: {counts} of {_CALLS} and one more: {said}"
    )
    check(recorded_own == 0, f"{how}: {recorded_own} calls of the recorder and its helpers are recorded")
    lost = sum(each for _, each, _ in counts)
    return f"{how}: {sum(made)} made in {took:.1f} s, {lost} of them lost and counted"


def _next_way() -> str:
    """Each way of starving in turn."""
    if not _ways:
        _ways.extend(("cgroup", "nice", "-a"))
    return _ways.pop(0)


def _line(workload: subprocess.Popen[str], told: str = "") -> str:
    """The next line that ``workload`` prints after it was ``told`` something."""
    assert workload.stdin is not None
    assert workload.stdout is not None
    workload.stdin.write(told)
    workload.stdin.flush()
    return workload.stdout.readline().strip()


@contextmanager
def starved(how: str, recorder: int, folder: Path) -> Iterator[None]:
    """Gives the process group ``recorder`` the lowest priority, or a twentieth of a CPU; ``-a``: what it gets."""
    if how == "cgroup":
        with small_cgroup(f"bpfrec-soak-{folder.name}") as group:
            for pid in members(recorder):
                (group / "cgroup.procs").write_text(str(pid))
            yield
        return
    if how == "nice":
        for pid in members(recorder):
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, pid, _LOWEST)
    yield


@contextmanager
def small_cgroup(name: str) -> Iterator[Path]:
    """A cgroup with 5 % of a CPU, of whichever version is mounted; its processes leave it at the end."""
    first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    root = first if first.is_dir() else second
    group = root / name
    group.mkdir()
    try:
        if root == first:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(int(_SHARE * _PERIOD)))
        else:
            (root / "cgroup.subtree_control").write_text("+cpu")
            (group / "cpu.max").write_text(f"{int(_SHARE * _PERIOD)} {_PERIOD}")
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (root / "cgroup.procs").write_text(pid)
        group.rmdir()

"""-p with --follow: new children with all of their calls, beside strace -f -p; old ones are left alone, as it does."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import PATIENCE, Recorder, Waiting, rows, started, wait_until

WORKERS = 200
CALLS = "getppid,getuid,getgid"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "trace.bpfrec"


def strace(pid: int, log: Path) -> subprocess.Popen[str]:
    command = ["strace", "-f", "-p", str(pid), "-e", f"trace={CALLS}", "-o", str(log)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    started.append(process)
    wait_until(lambda: re.search(r"TracerPid:\s+[1-9]", Path(f"/proc/{pid}/status").read_text()), "strace attached")
    return process


def test_children_of_a_live_process(programs: Callable[..., Path], output: Path, tmp_path: Path) -> None:
    server = Waiting([programs("forking"), str(WORKERS)])
    watching = strace(server.pid, tmp_path / "strace.log")
    recorder = Recorder(output, "-p", str(server.pid), "--follow", "-e", CALLS)
    server.go()
    watching.communicate(timeout=PATIENCE)
    assert "the recorded process and its children ended" in recorder.wait()
    expected = [(20 + i,) for i in range(WORKERS)]
    found = rows(output, "SELECT count(*) AS n FROM syscalls WHERE syscall = 'getppid' GROUP BY pid ORDER BY n")
    assert found == expected, "every worker and every call of it"
    of_children = rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'getuid' GROUP BY pid")
    assert of_children == [(5,)] * (WORKERS // 4), "the workers' children too"
    old = rows(output, "SELECT * FROM syscalls WHERE syscall = 'getgid'")
    assert old == [], "a child that was there is not a new one"
    assert rows(output, "SELECT * FROM losses") == []
    lines = (tmp_path / "strace.log").read_text().splitlines()
    seen = Counter((int(m[1]), m[2]) for line in lines if (m := re.match(r"(\d+) +(get\w+)\(", line)))
    counted = rows(output, "SELECT pid, syscall, count(*) FROM syscalls GROUP BY ALL")
    assert {(pid, call): count for pid, call, count in counted} == seen


def test_first_and_last_call_and_the_end_of_each_child(programs: Callable[..., Path], output: Path) -> None:
    server = Waiting([programs("forking"), str(WORKERS)])
    recorder = Recorder(output, "-p", str(server.pid), "--follow", "--stacks", "off")
    server.go()
    recorder.wait()
    ends = rows(
        output,
        "SELECT exit_code, arg_min(syscall, ts_ns), arg_max(syscall, ts_ns), count(*) FILTER (syscall = 'getppid')"
        f" FROM processes p JOIN syscalls s USING (pid) WHERE p.ppid = {server.pid} AND p.start_ns < p.end_ns"
        " GROUP BY p.pid, p.exit_code, p.start_ns ORDER BY p.start_ns",
    )
    assert ends == [(i % 128, "getppid", "exit_group", 20 + i) for i in range(WORKERS)]


def test_several_processes_and_one_that_ends_before_its_children(programs: Callable[..., Path], output: Path) -> None:
    orphan = "import os, time\ninput()\nif os.fork() == 0:\n time.sleep(0.7)\n for _ in range(30): os.getppid()\n"
    leaver = subprocess.Popen([sys.executable, "-c", orphan], stdin=subprocess.PIPE)
    started.append(leaver)  # type: ignore[arg-type]
    server = Waiting([programs("forking"), "8"])
    recorder = Recorder(output, "-p", str(leaver.pid), "-p", str(server.pid), "-f", "-e", CALLS)
    server.go()
    leaver.communicate(b"\n", timeout=PATIENCE)
    recorder.wait()
    found = rows(output, "SELECT count(*) AS n FROM syscalls WHERE syscall = 'getppid' GROUP BY pid ORDER BY n")
    assert found == [(20 + i,) for i in range(8)] + [(30,)], "the recording lasts as long as there are children"


def test_follow_needs_a_process(output: Path) -> None:
    for options in (["-u", "0"], ["-a"], ["-t", "1"], []):
        command = [sys.executable, "-m", "bpfrec", "record", "--follow", *options, "-o", str(output)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 2, done.stderr
        assert "--follow" in done.stderr

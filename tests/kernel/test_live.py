"""``record --live``: what is printed while recording goes on is what the report says about the finished trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.live import PATIENCE, rows, started
from support.program import run_bpfrec

# It goes on when its first call was shown. Children have names of their own, and one is in a call at the end.
WORKLOAD = """
import os, sys, time

def miss(name):
    try:
        open("/nowhere/" + name)
    except OSError:
        pass

miss("first")
sys.stdin.readline()
for number in range(5):
    miss(f"parent-{number}")
    if os.fork() == 0:
        open("/proc/self/comm", "w").write(f"child{number}")
        miss(f"child-{number}")
        os.kill(os.getpid(), 0)
        os._exit(0)
    os.wait()
    time.sleep(0.5)
for number in range(20000):
    os.getppid()
miss("last")
"""


@pytest.mark.spread
@pytest.mark.parametrize(
    "report",
    [
        ["opensnoop", "-x"],
        ["calls", "--syscall", "openat,kill,exit_group,execve"],
        ["trace", 'r:c:open (retval < 0) "%s", arg1', "-C"],
    ],
    ids=lambda report: report[0],
)
def test_what_is_shown_is_what_the_report_says(tmp_path: Path, report: list[str]) -> None:
    output = tmp_path / "t.bpfrec"
    live = " ".join(f"'{word}'" for word in report)
    command = [sys.executable, "-m", "bpfrec", "record", "--live", live, "-o", str(output), "--stacks", "off"]
    recorder = subprocess.Popen(
        [*command, "--", sys.executable, "-c", WORKLOAD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(recorder)
    assert recorder.stdout is not None
    shown = []
    # The workload waits: this ends only if its call is shown while it is recorded.
    while "/nowhere/first" not in (line := recorder.stdout.readline()):
        assert line, recorder.communicate()
        shown.append(line)
    rest, said = recorder.communicate("go\n", timeout=PATIENCE)
    assert recorder.returncode == 0, said
    assert "nothing lost" in said
    shown += [line, *rest.splitlines(keepends=True)]
    done = run_bpfrec("report", *report, output)
    assert done.returncode == 0, done.stderr
    of_trace = done.stdout.splitlines(keepends=True)
    # Calls are shown by segment, and within one in the order of the report.
    assert sorted(shown) == sorted(of_trace)
    assert report[0] == "calls" or shown[0] == of_trace[0]
    found = [name for name in ("first", "parent-4", "child-0", "child-4", "last") if any(name in row for row in shown)]
    assert found == ["first", "parent-4", "child-0", "child-4", "last"]
    assert any("child4" in row and "child-4" in row for row in shown)


STATUS = 3
SHORT = f"""
import sys
for name in ("first", "second", "last"):
    try:
        open(f"/nowhere/{{name}}")
    except OSError:
        pass
    if name == "first":
        sys.stdin.readline()
sys.exit({STATUS})
"""


@pytest.mark.spread
@pytest.mark.parametrize("what", ["reader gone", "follower killed", "interrupted"])
def test_a_recording_does_not_depend_on_who_shows_it(tmp_path: Path, what: str) -> None:
    output = tmp_path / "t.bpfrec"
    command = [sys.executable, "-m", "bpfrec", "record", "--live", "opensnoop -x", "-o", str(output), "--stacks", "off"]
    recorder = subprocess.Popen(
        [*command, "--", sys.executable, "-c", SHORT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(recorder)
    assert recorder.stdout is not None
    while "/nowhere/first" not in (line := recorder.stdout.readline()):
        assert line, recorder.communicate()
    status, names = STATUS, ["first", "last", "second"]
    if what == "reader gone":
        recorder.stdout.close()
        recorder.stdout = None
    elif what == "follower killed":
        os.kill(_follower_of(recorder.pid), signal.SIGKILL)
    else:
        # The command gets it, as it would from a terminal, and does not go on.
        recorder.send_signal(signal.SIGINT)
        recorder.wait(PATIENCE)
        status, names = 128 + signal.SIGINT, ["first"]
    _, said = recorder.communicate("go\n", timeout=PATIENCE)
    assert recorder.returncode == status, said
    assert "nothing lost" in said
    assert "Traceback" not in said or what == "interrupted", "Python says that it was interrupted"
    assert ("--live" in said) == (what == "follower killed"), said
    found = "SELECT path FROM syscalls WHERE path LIKE '/nowhere/%' ORDER BY 1"
    assert rows(output, found) == [(f"/nowhere/{name}",) for name in names]
    assert not list(tmp_path.glob(".*")), "nothing is left behind"


def _follower_of(recorder: int) -> int:
    children = Path(f"/proc/{recorder}/task/{recorder}/children").read_text().split()
    [found] = [pid for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "bpfrec-live"]
    return int(found)

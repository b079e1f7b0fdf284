"""bcc's own tools beside bpfrec on one workload: their text is ours, to the column.

Those of them are asked that sit on tracepoints, and so load also where kprobes do not, and that read nothing of the
kernel's structs (as exitsnoop does): so headers of another kernel, which Debian has, will do.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support.live import PATIENCE, Recorder, Waiting, cannot_run, started
from support.program import run_bpfrec

HEADERS = Path("/usr/src")
OPENS = 't:syscalls:sys_enter_openat "flags %d mode %x", args->flags, args->mode'
RESULTS = 't:syscalls:sys_exit_openat (args->ret < 0) "%d", args->ret'
WRITES = "t:syscalls:sys_enter_write():u32:args->count"

WORKLOAD = """
import os, sys
os.write(1, b"ready\\n")
sys.stdin.readline()
null = os.open("/dev/null", os.O_WRONLY)
for number in range(40):
    os.write(null, bytes(1 + number % 3))
    try:
        os.open(f"/nowhere/{number}", os.O_RDWR | (os.O_CREAT if number % 2 else 0), 0o640)
    except OSError:
        pass
os.write(1, b"done\\n")
sys.stdin.readline()
"""


class Tool:
    """A tool of bcc that has begun to look; ``said``: the lines that it wrote until then."""

    def __init__(self, name: str, headers: Path, ready: str, *options: str) -> None:
        program = shutil.which(f"{name}-bpfcc", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            cannot_run("bcc's tools are not installed: apt-get install bpfcc-tools")
        environment = os.environ | {"BCC_KERNEL_SOURCE": str(headers), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [program, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        started.append(self.process)
        self._ready, self.said = ready, list[str]()

    def begin(self) -> None:
        self.wait_for(self._ready)

    def wait_for(self, pattern: str) -> None:
        assert self.process.stdout is not None
        while not re.search(pattern, line := self.process.stdout.readline()):
            assert line, f"{self.process.args} ended: {self.said}"
            self.said.append(line)
        self.said.append(line)

    def stop(self) -> list[str]:
        """All that it wrote, by lines without spaces at their ends; not the empty ones."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=PATIENCE)
        return [line.rstrip() for line in "".join([*self.said, rest]).splitlines() if line.strip()]


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with what Debian has in two, as bcc looks for it."""
    found = sorted(HEADERS.glob("linux-headers-*-common"))
    built = sorted(HEADERS.glob("linux-headers-*-amd64"))
    if not found or not built:
        cannot_run("Debian's kernel headers are not installed: apt-get install linux-headers-amd64")
    folder = tmp_path_factory.mktemp("headers")
    for source in (found[-1], built[-1]):
        for inner in ("include", "arch/x86/include"):
            (folder / inner).mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-rsn", f"{source / inner}/.", folder / inner], check=True)
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, headers: Path) -> tuple[Path, dict[str, list[str]], int]:
    """The trace of the workload, what each tool said meanwhile, and the pid."""
    workload = Waiting(["python3", "-c", WORKLOAD])
    pid = str(workload.pid)
    tools = {
        "syscount": Tool("syscount", headers, "^Tracing", "-p", pid, "-T", "99"),
        "trace": Tool("trace", headers, "^PID", "-p", pid, OPENS, RESULTS),
        "argdist": Tool("argdist", headers, r"^\[", "-p", pid, "-c", "-i", "1", "-C", WRITES),
    }
    for tool in tools.values():
        tool.begin()
    output = tmp_path_factory.mktemp("beside") / "t.bpfrec"
    recorder = Recorder(output, "-p", pid, "--stacks", "off")
    workload.go_until("done")
    # Its last table begins with the last write, and ends where another begins.
    tools["argdist"].wait_for("= 5$")
    tools["argdist"].begin()
    said = {name: tool.stop() for name, tool in tools.items()}
    recorder.stop()
    workload.end()
    return output, said, workload.pid


def ours(trace: Path, *words: str) -> list[str]:
    done = run_bpfrec("report", *words, trace)
    assert done.returncode == 0, done.stderr
    return [line.rstrip() for line in done.stdout.splitlines() if line.strip()]


def test_syscount(both: tuple[Path, dict[str, list[str]], int]) -> None:
    trace, said, pid = both
    mine, theirs = (
        sorted(line for line in lines if re.match(r"SYSCALL|\w+ +\d+$", line))
        for lines in (ours(trace, "syscount", "-p", str(pid), "-T", "99"), said["syscount"])
    )
    assert mine == theirs
    assert len(mine) == 4


def test_trace(both: tuple[Path, dict[str, list[str]], int]) -> None:
    trace, said, pid = both
    mine = ours(trace, "trace", OPENS, RESULTS, "-p", str(pid))
    assert sorted(mine) == sorted(said["trace"])
    assert len(mine) > 80


def test_argdist(both: tuple[Path, dict[str, list[str]], int]) -> None:
    trace, said, pid = both
    table = "\n".join(said["argdist"]).split("\n[")[-2].splitlines()
    mine = ours(trace, "argdist", "-p", str(pid), "-C", WRITES)
    # Values that are as frequent come in any order from bcc.
    assert mine[1:3] == table[1:3]
    assert sorted(mine[3:]) == sorted(table[3:])
    assert len(mine) == 7

"""Both of the user's labs: recorded once, live, and answered from the file after the program is gone."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import PATIENCE, WORKLOADS, Recorder, line_of, rows, started

Report = Callable[..., subprocess.CompletedProcess[str]]

MISSING = "/etc/tracing-server-example.conf"
NODEY = "/etc/nodey.conf"
REQUESTS = 3


def report(trace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bpfrec", "analyze", "-i", str(trace), "report", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def lab1(programs: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A recording of the first lab's server, and its pid."""
    assert not Path(MISSING).exists(), "the lab needs that file to be missing"
    server = subprocess.Popen([programs("server")], stdout=subprocess.DEVNULL, text=True)
    started.append(server)
    recorder = Recorder(tmp_path_factory.mktemp("lab1") / "trace.bpfrec", "-vv", "-p", str(server.pid))
    recorder.wait_for_calls(1000)
    recorder.stop()
    server.kill()
    server.wait()
    return recorder.output, str(server.pid)


def test_lab1_syscount(lab1: tuple[Path, str]) -> None:
    trace, pid = lab1
    counts = {
        row["syscall"]: row["count"]
        for row in json.loads(report(trace, "syscount", "-c", "-p", pid, "--format", "json").stdout)
    }
    assert counts.keys() == {"openat", "clock_nanosleep"}
    assert abs(counts["openat"] - counts["clock_nanosleep"]) <= 1
    assert counts["openat"] > 100


def test_lab1_opens(lab1: tuple[Path, str]) -> None:
    trace, pid = lab1
    [(total,)] = rows(trace, "SELECT count(*) FROM syscalls WHERE syscall = 'openat' AND ret IS NOT NULL")
    for options in (["-p", pid], ["-x"]):
        lines = report(trace, "opensnoop", *options).stdout.splitlines()
        assert lines[0] == "PID    COMM               FD ERR PATH"
        assert set(lines[1:]) == {f"{pid:<6} {'server':<16} {-1:>4} {2:>3} {MISSING}"}
        assert len(lines) - 1 == total
    [row] = json.loads(report(trace, "failed-opens", "--format", "json").stdout)
    assert (row["path"], row["errno"], row["count"], row["comm"]) == (MISSING, "ENOENT", total, "server")


def test_lab1_argdist(lab1: tuple[Path, str]) -> None:
    trace, pid = lab1
    histogram = report(trace, "argdist", "-p", pid, "-H", "p::do_nanosleep(struct timespec *time):u64:time->tv_nsec")
    assert "clock_nanosleep" in histogram.stderr
    filled = [line for line in histogram.stdout.splitlines() if "|*" in line]
    assert len(filled) == 1
    assert filled[0].split(":")[0].split() == ["512", "->", "1023"]
    names = report(trace, "argdist", "-p", pid, "-C", "p:c:open(char *filename):char*:filename")
    assert "openat" in names.stderr
    assert names.stdout.splitlines()[-1].split("\t")[-1].strip().endswith(f"filename = {MISSING}")
    results = report(trace, "argdist", "-p", pid, "-C", "r:c:open():int:$retval")
    assert results.stdout.splitlines()[-1].endswith("$retval = -1"), "open(3) returns -1, whatever the kernel returned"


def test_lab1_whole_stack_without_frame_pointers(programs: Callable[..., Path], tmp_path: Path) -> None:
    server = subprocess.Popen([programs("server", "-fomit-frame-pointer")], stdout=subprocess.DEVNULL, text=True)
    started.append(server)
    recorder = Recorder(tmp_path / "trace.bpfrec", "-vv", "-p", str(server.pid))
    recorder.wait_for_calls(100)
    recorder.stop()
    server.kill()
    server.wait()
    stacks = rows(
        recorder.output,
        "SELECT DISTINCT status, (SELECT list(symbol ORDER BY depth) FROM frames f WHERE f.stack_id = s.stack_id) "
        f"FROM syscalls c JOIN stacks s USING (stack_id) WHERE path = '{MISSING}'",
    )
    [(status, symbols)] = stacks
    assert status == "root"
    assert isinstance(symbols, list)
    assert symbols[0] in ("open", "open64", "__open64")
    assert symbols[1:4] == ["load_configuration", "initialize_service", "main"]
    assert symbols[-1] == "_start"


@pytest.fixture(scope="module")
def lab2(node: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A recording of the second lab's service, ended by its exit, when its perf map is deleted too."""
    assert not Path(NODEY).exists(), "the lab needs that file to be missing"
    flags = ["--perf-basic-prof", "--interpreted-frames-native-stack"]
    folder = tmp_path_factory.mktemp("lab2")
    service = subprocess.Popen(
        [node, *flags, WORKLOADS / "nodey" / "server.js"], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    port = line_of(service.stdout).split()[1]
    recorder = Recorder(folder / "trace.bpfrec", "-p", str(service.pid))
    for _ in range(REQUESTS):
        with pytest.raises(urllib.error.HTTPError, match="500"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/about", timeout=PATIENCE)
    service.terminate()
    service.communicate()
    Path(f"/tmp/perf-{service.pid}.map").unlink()
    recorder.wait()
    return recorder.output, str(service.pid)


def test_lab2_failed_calls(lab2: tuple[Path, str]) -> None:
    trace, pid = lab2
    counts = {
        row["syscall"]: row["count"] for row in json.loads(report(trace, "syscount", "-x", "--format", "json").stdout)
    }
    assert counts["openat"] >= REQUESTS
    lines = report(trace, "opensnoop", "-x", "-p", pid).stdout.splitlines()
    assert sum(line.endswith(f"-1   2 {NODEY}") for line in lines) == REQUESTS


def test_lab2_stack_of_the_failing_open(lab2: tuple[Path, str]) -> None:
    trace, pid = lab2
    done = report(trace, "trace", f'SyS_open (STRCMP("{NODEY}", arg1))', "-U", "-p", pid)
    assert "openat" in done.stderr
    header, *lines = done.stdout.splitlines()
    assert header.split()[:4] == ["PID", "TID", "COMM", "FUNC"]
    events = [line for line in lines if line.startswith(pid)]
    assert len(events) == REQUESTS
    assert all(line.split() == [pid, pid, "node", "SyS_open"] for line in events)
    frames = [line for line in lines if line.startswith("        ")]
    assert len(frames) >= REQUESTS
    assert all(frame.strip().startswith(("open", "__open")) for frame in frames[:1])
    assert "[libc.so.6]" in frames[0]
    stack = frames[: len(frames) // REQUESTS]
    named = [line for line in stack if "JS:" in line]
    assert any("server.js" in line for line in named), "the source location that the lab is about"
    assert "_start" in stack[-1]
    trace_status = rows(
        trace, f"SELECT DISTINCT status FROM syscalls JOIN stacks USING (stack_id) WHERE path = '{NODEY}'"
    )
    assert trace_status == [("root",)]

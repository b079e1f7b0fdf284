"""Calls whose entry the kernel does not tell of, and what cannot be read when a call begins."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.live import (
    TIMES,
    WORKLOADS,
    Recorder,
    Waiting,
    build,
    line_of,
    record_command,
    rows,
    started,
    wait_for_call,
)

READ, CLOCK_NANOSLEEP = 0, 230

REFUSED = f"""
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
instruction = struct.Struct("HBBI")
mkdir, eacces = 83, 13
# load the number; if it is mkdir's: SECCOMP_RET_ERRNO with EACCES; else SECCOMP_RET_ALLOW
program = b"".join(instruction.pack(*i) for i in [
    (0x20, 0, 0, 0), (0x15, 0, 1, mkdir), (0x06, 0, 0, 0x00050000 | eacces), (0x06, 0, 0, 0x7FFF0000)])
code = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(code)))
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, filter, 0, 0) == 0
for number in range({TIMES}):
    try:
        os.mkdir(f"/tmp/refused-{{number}}")
    except PermissionError:
        pass
    if os.fork() == 0:
        try:
            os.mkdir("/tmp/refused-in-child")
        except PermissionError:
            os._exit(0)
    os.wait()
"""

WAITING = """
import os, threading, time
threading.Thread(target=lambda: os.read(0, 1) and print("has read", flush=True)).start()
threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "trace.bpfrec"


def test_calls_that_seccomp_refuses(output: Path) -> None:
    done = record_command(output, sys.executable, "-c", REFUSED)
    assert done.returncode == 0, done.stderr
    refused = "FROM syscalls WHERE entry_status = 'refused'"
    columns = "syscall, errno, duration_ns, arg1"
    assert rows(output, f"SELECT DISTINCT {columns} {refused}") == [("mkdir", "EACCES", 0, 0o777)]
    paths = rows(output, f"SELECT path {refused} AND path <> '/tmp/refused-in-child' ORDER BY ts_ns")
    assert paths == [(f"/tmp/refused-{number}",) for number in range(TIMES)]
    assert rows(output, f"SELECT count(*) {refused} AND path = '/tmp/refused-in-child'") == [(TIMES,)]
    # A child's return from fork is no call of its own.
    assert rows(output, "SELECT count(*) FROM syscalls WHERE entry_status = 'before-recording'") == [(0,)]


# It runs without any call until a byte of a file that it has mapped is set.
BUSY = REFUSED.replace("import ctypes", "import mmap, sys, ctypes", 1).replace(
    "for number in range",
    """flag = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 1)
print("ready", flush=True)
while not flag[0]:
    pass
for number in range""",
    1,
)


def test_a_first_call_that_is_refused_lasts_no_time(output: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.write_bytes(b"\0")
    busy = subprocess.Popen([sys.executable, "-c", BUSY, flag], stdout=subprocess.PIPE, text=True)
    started.append(busy)
    assert line_of(busy.stdout) == "ready"
    recorder = Recorder(output, "-p", str(busy.pid))
    time.sleep(0.5)  # which the call did not last
    with flag.open("r+b") as file:
        file.write(b"\1")
    recorder.wait()
    refused = "FROM syscalls WHERE syscall = 'mkdir' AND errno = 'EACCES'"
    assert rows(output, f"SELECT entry_status, duration_ns, count(*) {refused} AND pid = {busy.pid} GROUP BY ALL") == [
        ("refused", 0, TIMES)
    ]


@pytest.mark.parametrize("by", ["process", "everything"])
def test_calls_under_way_when_recording_begins(output: Path, by: str) -> None:
    waiting = Waiting([sys.executable, "-c", WAITING]).process
    wait_for_call(waiting.pid, READ, CLOCK_NANOSLEEP, threads=3)
    options = ["-p", waiting.pid] if by == "process" else ["-a", "-e", "read,clock_nanosleep"]
    recorder = Recorder(output, *map(str, options))
    time.sleep(0.2)  # for the read() to last
    assert waiting.stdin is not None
    print("go", file=waiting.stdin, flush=True)
    assert line_of(waiting.stdout) == "has read"
    recorder.stop()
    columns = "syscall, ret, duration_ns > 100000000, unfinished"
    where = f"pid = {waiting.pid} AND entry_status = 'before-recording'"
    assert rows(output, f"SELECT {columns} FROM syscalls WHERE {where} ORDER BY ALL") == [
        ("clock_nanosleep", None, None, "recording-stopped"),
        ("clock_nanosleep", None, None, "recording-stopped"),
        ("read", 1, True, None),
    ]


def test_a_thread_killed_in_the_call_it_was_in_before(output: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "600"], text=True)
    started.append(sleeper)
    wait_for_call(sleeper.pid, CLOCK_NANOSLEEP)
    recorder = Recorder(output, "-p", str(sleeper.pid))
    sleeper.kill()
    recorder.wait()
    found = rows(output, "SELECT syscall, ret, entry_status, unfinished FROM syscalls")
    assert found in (
        [("clock_nanosleep", None, "before-recording", "thread-exited")],
        # A killed call ends like one that is restarted, and then the thread does.
        [("clock_nanosleep", -516, "before-recording", None)],
    )


def test_32_bit_calls_of_64_bit_code(output: Path, tmp_path: Path) -> None:
    build(WORKLOADS / "int80.c", tmp_path / "int80")
    done = record_command(output, tmp_path / "int80")
    assert done.returncode == 0, done.stderr
    query = "SELECT syscall, errno, path, count(*) FROM syscalls WHERE abi = 'i386' GROUP BY ALL ORDER BY 1"
    assert rows(output, query) == [("access", "ENOENT", "/no/such/file", TIMES), ("getppid", None, None, TIMES)]


def test_what_execve_was_given_in_pages_that_were_never_touched(output: Path, tmp_path: Path) -> None:
    build(WORKLOADS / "unfaulted.c", tmp_path / "unfaulted")
    done = record_command(output, tmp_path / "unfaulted")
    assert done.returncode == 0, done.stderr
    query = """
        SELECT path, path_status, list(value ORDER BY position), count(*) FROM (
            SELECT event_id, path, path_status, position, value
            FROM syscalls JOIN exec_args USING (event_id) WHERE path = '/bin/true'
        ) GROUP BY ALL
    """
    [(path, status, arguments, strings)] = rows(output, query)
    assert (path, status, strings) == ("/bin/true", None, 2 * TIMES)
    assert sorted(set(arguments)) == ["/bin/true", "argument"]

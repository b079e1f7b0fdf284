"""Names of descriptors, directories and sockets: those that strace shows of the same run, and those of the snapshot."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from judge.names import compare, record
from support.live import PATIENCE, WORKLOADS, Recorder, Waiting, cannot_run, record_command, rows

PROGRAMS = {
    "every way": [sys.executable, str(WORKLOADS / "names.py")],
    "pipeline": ["sh", "-c", "mkdir -p a/b; cd a; echo x > f; cat f | tr x y | (cd b; cat > ../g); cat ../a/g 2>&1"],
    "find": ["find", "/usr/share/doc", "-maxdepth", "2", "-name", "copyright", "-newer", "/etc/passwd"],
    "git": [
        *("sh", "-c"),
        "git init -q g; cd g; echo a > f; git add f; git -c user.name=a -c user.email=a@b commit -qm x; git log",
    ],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_strace_shows_the_same_names(tmp_path: Path, name: str) -> None:
    trace, log = record([*PROGRAMS[name]], tmp_path)
    compared = compare(trace, log)
    assert not compared.different, "\n".join(compared.different[:20])
    assert compared.alike > 100
    # A file that never had a name, and one that came with a message.
    expected = {"name-unknown", "not-followed"} if name == "every way" else set()
    assert set(compared.unknown) == expected, compared.unknown


ATTACHED = """
import os, socket, sys
print("ready", flush=True)
sys.stdin.readline()
os.stat("beside")
for number in map(int, sys.argv[1:]):
    os.fstat(number)
os.close(int(sys.argv[1]))
try:
    os.fstat(int(sys.argv[1]))
except OSError:
    pass
"""


def test_what_was_open_when_recording_began(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    for name in ("file", "beside"):
        (tmp_path / name).write_text("x")
    with (
        (tmp_path / "file").open() as file,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        numbers = [file.fileno(), server.fileno(), client.fileno()]
        process = subprocess.Popen(
            [sys.executable, "-c", ATTACHED, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=numbers,
            cwd=tmp_path,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        recorder = Recorder(output, "-p", process.pid)
        process.communicate(b"go\n", timeout=PATIENCE)
        recorder.wait()
        there, here = server.getsockname()[1], client.getsockname()[1]
    found = rows(
        output,
        "SELECT coalesce(resolved_path, resolved_reason) FROM syscalls"
        f" WHERE syscall IN ('newfstatat', 'fstat') AND (path = 'beside' OR arg0 IN {tuple(numbers)})"
        " ORDER BY ts_ns",
    )
    names = [str(tmp_path / "file"), f"TCP 127.0.0.1:{there}", f"TCP 127.0.0.1:{here}->127.0.0.1:{there}"]
    assert [name for (name,) in found] == [str(tmp_path / "beside"), *names, "not-open"]
    read = (
        "cwd, root, snapshot_ns BETWEEN (SELECT min(ts_ns) - 60e9 FROM syscalls) AND (SELECT max(ts_ns) FROM syscalls)"
    )
    assert rows(output, f"SELECT {read} FROM processes") == [(str(tmp_path), "/", True)]


def test_threads_with_tables_of_their_own(programs: Callable[..., Path], tmp_path: Path) -> None:
    """What each thread finds in /proc, whether it parted before recording began or after."""
    output = tmp_path / "trace.bpfrec"
    (tmp_path / "file").touch()
    workload = Waiting([programs("apart"), str(tmp_path)])
    recorder = Recorder(output, "-p", workload.pid)
    printed = workload.go()
    recorder.wait()
    names = "list((resolved_path, resolved_reason) ORDER BY ts_ns)"
    looked = rows(output, f"SELECT arg1, {names} FROM syscalls WHERE syscall = 'lseek' AND arg2 = 99 GROUP BY ALL")
    found = {int(str(number)): list(map(tuple, seen)) for number, seen in looked}  # type: ignore[call-overload]
    expected: dict[int, list[tuple[str | None, str | None]]] = {}
    for line in printed:
        number, _, name = line.partition(" ")
        expected.setdefault(int(number), []).append((None, "not-open") if name == "NULL" else (name, None))
    assert found == expected
    assert found[1] == [("/etc/hostname", None)] * 2
    assert found[2] == [("/etc/group", None)] * 2
    assert found[4] == [("/etc/passwd", None)]
    assert found[6] == [(str(tmp_path / "file"), None)]


@pytest.mark.parametrize("polls", [False, True])
def test_io_uring_closes_a_descriptor_and_takes_its_number(
    programs: Callable[..., Path], tmp_path: Path, polls: bool
) -> None:
    """What the program finds in /proc."""
    if Path("/proc/sys/kernel/io_uring_disabled").read_text().strip() != "0":
        cannot_run("io_uring is disabled: sysctl kernel.io_uring_disabled")
    output = tmp_path / "trace.bpfrec"
    done = record_command(output, programs("uring"), *(["poll"] if polls else []))
    assert done.returncode == 0, done.stderr
    printed = dict(line.split(" ") for line in done.stdout.splitlines())
    assert printed == {"1": "/etc/passwd", "2": "NULL", "3": "/etc/group", "4": "/etc/hostname", "5": "/etc/hosts"}
    look = "syscall = 'lseek' AND arg2 = 99"
    query = f"SELECT arg1, resolved_path, resolved_reason FROM syscalls WHERE {look} ORDER BY ts_ns"
    assert rows(output, query) == [
        (1, "/etc/passwd", None),
        (2, None, "not-open"),
        (3, "/etc/group", None),
        (4, "/etc/hostname", None),
        (5, "/etc/hosts", None),
    ]
    assert rows(output, "SELECT count(*) FROM uring_closes") == [(1,)]

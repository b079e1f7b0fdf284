"""What calls point at, besides paths, is there as it was passed or given back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import WORKLOADS, build, record_command, rows

SCRIPT = """
import os, resource, select, signal, socket, sys, threading
pipe = os.pipe()
pair = socket.socketpair()
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
connected = socket.socket()
connected.connect(listening.getsockname())
accepted, peer = listening.accept()
unix = socket.socket(socket.AF_UNIX)
try:
    unix.connect("/nonexistent/socket")
except OSError:
    pass
unix.bind("\\0abstract")
inet6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
inet6.bind(("::1", 0))
inet6.sendto(b"datagram", inet6.getsockname())
inet6.recvfrom(10)
resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
signal.setitimer(signal.ITIMER_REAL, 100, 5.5)
select.select([], [], [], 0.0125)
os.utime(sys.argv[1], ns=(1_000_000_002, 3_000_000_004))
thread = threading.Thread(target=int)
thread.start()
thread.join()
child = os.fork()
if child == 0:
    os._exit(3)
os.waitpid(child, 0)
try:
    os.execv("/nonexistent/program", ["program", "an argument", "\\u00e9"])
except OSError:
    pass
print(*pipe, pair[0].fileno(), pair[1].fileno(), listening.getsockname()[1], peer[1], inet6.getsockname()[1])
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The trace, and the descriptors and ports that the script printed."""
    folder = tmp_path_factory.mktemp("captures")
    (folder / "file").touch()
    output = folder / "trace.bpfrec"
    done = record_command(output, sys.executable, "-I", "-S", "-c", SCRIPT, folder / "file")
    assert done.returncode == 0, done.stderr
    return output, [int(word) for word in done.stdout.split()]


@pytest.fixture
def answer(recorded: tuple[Path, list[int]]) -> Callable[[str], list[tuple[object, ...]]]:
    return lambda query: rows(recorded[0], query)


Answer = Callable[[str], list[tuple[object, ...]]]


def structs(call: str) -> str:
    return (
        f"SELECT kind, word0, word1, word2, word3 FROM structs JOIN syscalls USING (event_id)"
        f" WHERE syscall = '{call}' AND status IS NULL ORDER BY event_id, structs.arg"
    )


def test_pairs_of_descriptors(recorded: tuple[Path, list[int]], answer: Answer) -> None:
    read, write, left, right, *_ = recorded[1]
    assert ("fds", read | write << 32, None, None, None) in answer(structs("pipe2"))
    assert answer(structs("socketpair")) == [("fds", left | right << 32, None, None, None)]


def test_socket_addresses(recorded: tuple[Path, list[int]], answer: Answer) -> None:
    port, peer, port6 = recorded[1][4:]
    query = (
        "SELECT syscall, family, address, port FROM sockaddrs JOIN syscalls USING (event_id)"
        " WHERE sockaddrs.status IS NULL AND syscall NOT IN ('getsockname', 'getpeername') ORDER BY event_id"
    )
    assert answer(query) == [
        ("bind", 2, "127.0.0.1", 0),
        ("connect", 2, "127.0.0.1", port),
        ("accept4", 2, "127.0.0.1", peer),
        ("connect", 1, "/nonexistent/socket", None),
        ("bind", 1, "@abstract", None),
        ("bind", 10, "::1", 0),
        ("sendto", 10, "::1", port6),
        ("recvfrom", 10, "::1", port6),
    ]


def test_limits_timers_and_times(answer: Answer) -> None:
    assert ("rlimit", 0, 4096, None, None) in answer(structs("prlimit64"))
    assert ("itimerval", 5, 500_000, 100, 0) in answer(structs("setitimer"))
    assert answer(structs("utimensat")) == [("timespecs", 1, 2, 3, 4)]
    waits = "SELECT tv_sec, tv_nsec FROM timespecs JOIN syscalls USING (event_id) WHERE syscall = 'pselect6'"
    assert answer(waits) == [(0, 12_500_000)]


def test_what_a_thread_is_made_with(answer: Answer) -> None:
    """pthread_create(3): the flags that every thread of glibc has, and a stack."""
    thread = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x80000 | 0x100000 | 0x200000
    query = "SELECT word0, word4, word5 % 4096, word6 > 0, word10 FROM structs WHERE kind = 'clone_args'"
    assert answer(query) == [(thread, 0, 0, True, 0)]


def test_wait_status(answer: Answer) -> None:
    assert answer(structs("wait4")) == [("int", 3 << 8, None, None, None)]


def test_arguments_of_an_execve_that_failed(answer: Answer) -> None:
    query = (
        "SELECT position, value FROM exec_args JOIN syscalls USING (event_id)"
        " WHERE path = '/nonexistent/program' ORDER BY event_id, position"
    )
    assert answer(query) == [(0, "program"), (1, "an argument"), (2, "é")]


def test_what_is_executed_from_pages_that_a_child_has_not_touched(tmp_path: Path) -> None:
    """The kernel touches them while it executes: also of what fails, of scripts and of execveat."""
    build(WORKLOADS / "untouched.c", tmp_path / "untouched")
    for name, text in {"script": "#!/bin/sh\n", "no-interpreter": "#!/no/such\n", "no-program": "exit\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    output = tmp_path / "trace.bpfrec"
    done = record_command(output, tmp_path / "untouched", tmp_path)
    assert done.returncode == 0, done.stderr
    query = (
        "SELECT syscall, path, path_status, errno, list(value ORDER BY position) FROM syscalls"
        " JOIN exec_args USING (event_id) WHERE comm = 'untouched' GROUP BY ALL ORDER BY min(ts_ns)"
    )
    assert rows(output, query) == [
        ("execve", "script", None, None, ["one", "two"]),
        ("execve", "no-interpreter", None, "ENOENT", ["one", "two"]),
        ("execve", "no-program", None, "ENOEXEC", ["one", "two"]),
        ("execveat", "true", None, None, ["one", "two"]),
        ("execveat", "", None, None, ["one", "two"]),
    ]


def test_what_32_bit_programs_point_at(tmp_path: Path) -> None:
    build(WORKLOADS / "narrow.c", tmp_path / "narrow")
    output = tmp_path / "trace.bpfrec"
    done = record_command(output, tmp_path / "narrow")
    assert (done.returncode, done.stdout) == (0, "onetw"), done.stderr
    assert "memory-of-32-bit-calls" not in done.stderr
    of_them = "JOIN syscalls USING (event_id) WHERE abi = 'i386' ORDER BY ts_ns, position"
    assert rows(output, f"SELECT value, path, errno FROM exec_args {of_them}") == [
        ("one", "/no/such/program", "ENOENT"),
        ("two", "/no/such/program", "ENOENT"),
    ]
    assert rows(output, f"SELECT kind, word1 FROM arrays {of_them}") == [("iovec", 3), ("iovec", 2)]
    of_them = of_them.removesuffix(", position")
    assert rows(output, f"SELECT tv_sec, tv_nsec FROM timespecs {of_them}") == [(0, 1_700_000)]
    assert rows(output, f"SELECT kind, word0, word1 FROM structs {of_them}") == [("rlimit", 0, 2**64 - 1)]

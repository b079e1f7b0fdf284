"""Arrays, messages, names and contents that calls point at are there as they were passed or given back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.live import record_command, rows, trace_of

import bpfrec

SCRIPT = """
import array, ctypes, fcntl, os, select, signal, socket, struct, sys
end, begin = os.pipe()
os.writev(begin, [b"one", b"", b"three"])
os.readv(end, [bytearray(4), bytearray(100)])
os.writev(begin, [b"x"] * 300)
os.read(end, 1000)
left, right = socket.socketpair()
left.sendmsg([b"he", b"llo"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [end, begin]))])
_, [(_, _, passed)], _, _ = right.recvmsg(100, 500)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
udp.sendmsg([b"datagram"], [], 0, udp.getsockname())
udp.recvmsg(4)
poll = select.poll()
poll.register(end, select.POLLIN)
poll.register(begin, select.POLLOUT)
poll.poll(10)
select.select([end], [begin], [], 1)
events = select.epoll()
events.register(begin, select.EPOLLOUT)
events.poll(1)
events.unregister(begin)
os.memfd_create("a known name")
os.symlink("/to/somewhere", "link")
os.readlink("link")
os.getcwd()
udp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 77))
lock = open("lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX, 10, 5)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
libc = ctypes.CDLL(None)
libc.prctl(15, b"renamed", 0, 0, 0)
file = os.open("big", os.O_RDONLY)
libc.mmap.restype = ctypes.c_void_p
cold = libc.mmap(None, ctypes.c_size_t(16384), 1, 2, file, ctypes.c_long(0))
libc.madvise(ctypes.c_void_p(cold), ctypes.c_size_t(16384), 4)
sink = os.open("sink", os.O_WRONLY | os.O_CREAT)
libc.write(sink, ctypes.c_void_p(cold), ctypes.c_size_t(16384))
child = os.fork()
if child == 0:
    os._exit(7)
os.waitid(os.P_PID, child, os.WEXITED)
print(end, begin, *array.array("i", passed), child, udp.getsockname()[1], flush=True)
os.execve("/bin/true", ["true"], {"A": "b", "C": "d"})
"""
BIG = bytes(range(256)) * 64

Answer = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The trace, and the numbers that the script printed; it ran in the folder of the trace."""
    folder = tmp_path_factory.mktemp("contents")
    (folder / "big").write_bytes(BIG)
    output = folder / "trace.bpfrec"
    program = f"import os; os.chdir({str(folder)!r})\n{SCRIPT}"
    options = ["--data", "100", "--env"]
    done = record_command(output, sys.executable, "-I", "-S", "-c", program, options=options)
    assert done.returncode == 0, done.stderr
    return output, [int(word) for word in done.stdout.split()]


@pytest.fixture
def answer(recorded: tuple[Path, list[int]]) -> Answer:
    return lambda query: rows(recorded[0], query)


def of_calls(table: str, columns: str, calls: str, order: str = "") -> str:
    return (
        f"SELECT {columns} FROM {table} JOIN syscalls USING (event_id) WHERE syscall IN ({calls})"
        f" ORDER BY event_id, {table}.arg{order}"
    )


def test_vectors(answer: Answer) -> None:
    query = of_calls("arrays", "syscall, kind, phase, position, word1, status", "'readv', 'writev'", ", position")
    found = answer(query)
    assert found[:5] == [
        ("writev", "iovec", "entry", 0, 3, None),
        ("writev", "iovec", "entry", 1, 0, None),
        ("writev", "iovec", "entry", 2, 5, None),
        ("readv", "iovec", "entry", 0, 4, None),
        ("readv", "iovec", "entry", 1, 100, None),
    ]
    assert found[5:] == [
        *(("writev", "iovec", "entry", position, 1, None) for position in range(256)),
        ("writev", "iovec", "entry", 256, None, "truncated"),
    ]


def test_messages(recorded: tuple[Path, list[int]], answer: Answer) -> None:
    end, begin, *passed = recorded[1][:4]
    query = of_calls("arrays", "syscall, kind, phase, word0", "'sendmsg', 'recvmsg'", ", position")
    rights = [row for row in answer(query) if row[1] == "scm_rights"]
    assert rights == [
        ("sendmsg", "scm_rights", "entry", end),
        ("sendmsg", "scm_rights", "entry", begin),
        ("recvmsg", "scm_rights", "exit", passed[0]),
        ("recvmsg", "scm_rights", "exit", passed[1]),
    ]
    sizes = of_calls("arrays", "syscall, word1", "'sendmsg', 'recvmsg'", ", position")
    assert [row for row in answer(sizes) if row[1]] == [
        ("sendmsg", 2),
        ("sendmsg", 3),
        ("recvmsg", 100),
        ("sendmsg", 8),
        ("recvmsg", 4),
    ]
    truncated = 0x20
    flags = of_calls("structs", "kind, word6", "'recvmsg'")
    assert answer(flags) == [("msghdr", 0), ("msghdr", truncated)]
    names = of_calls("sockaddrs", "syscall, address, port", "'sendmsg', 'recvmsg'")
    port = recorded[1][5]
    assert answer(names) == [("sendmsg", "127.0.0.1", port), ("recvmsg", "127.0.0.1", port)]


def test_descriptors_waited_for(recorded: tuple[Path, list[int]], answer: Answer) -> None:
    end, begin = recorded[1][:2]
    found = answer(of_calls("arrays", "phase, word0, word1", "'poll'", ", phase, position"))
    assert found == [
        ("entry", end, 1),
        ("entry", begin, 4),
        ("exit", end, 1),
        ("exit", begin, 4 | 4 << 16),
    ]
    sets = answer(of_calls("arrays", "arrays.arg, phase, word0", "'select', 'pselect6'", ", phase"))
    assert sets == [(1, "entry", 1 << end), (1, "exit", 0), (2, "entry", 1 << begin), (2, "exit", 1 << begin)]
    events = answer(of_calls("arrays", "syscall, phase, word0", "'epoll_ctl', 'epoll_wait'"))
    assert events == [("epoll_ctl", "entry", 4), ("epoll_wait", "exit", 4)], "what is not added has no event"


def test_names_passed_and_given_back(recorded: tuple[Path, list[int]], answer: Answer) -> None:
    query = "SELECT syscall, value, strings.status FROM strings JOIN syscalls USING (event_id) ORDER BY event_id"
    assert answer(query)[-4:] == [
        ("memfd_create", "a known name", None),
        ("readlink", "/to/somewhere", None),
        ("getcwd", str(recorded[0].parent), None),
        ("prctl", "renamed", None),
    ]


def test_options_locks_masks_and_children(recorded: tuple[Path, list[int]], answer: Answer) -> None:
    assert answer(of_calls("structs", "word0", "'setsockopt'")) == [(1 | 77 << 32,)]
    assert answer(of_calls("structs", "word0, word1, word2", "'fcntl'")) == [(1, 5, 10)]
    assert (1 << 9,) in answer(of_calls("structs", "word0", "'rt_sigprocmask'"))
    exited, child = 1, recorded[1][4]
    assert answer(of_calls("structs", "word1, word2, word3", "'waitid'")) == [(exited, child, 7)]


def test_contents(answer: Answer) -> None:
    calls = "'writev', 'readv', 'sendmsg', 'recvmsg'"
    assert answer(of_calls("data", "syscall, bytes, size, data.status", calls)) == [
        ("writev", b"onethree", 8, None),
        ("readv", b"onethree", 8, None),
        ("writev", b"x" * 64, 300, "truncated"),
        ("sendmsg", b"hello", 5, None),
        ("recvmsg", b"hello", 5, None),
        ("sendmsg", b"datagram", 8, None),
        ("recvmsg", b"data", 4, None),
    ], "of a vector the first 64 buffers are looked into"
    read = answer("SELECT bytes, size FROM data JOIN syscalls USING (event_id) WHERE syscall = 'read' AND ret = 300")
    assert read == [(b"x" * 100, 300)]


def test_contents_that_were_not_resident(answer: Answer) -> None:
    query = "SELECT bytes, size, data.status FROM data JOIN syscalls USING (event_id) WHERE syscall = 'write'"
    assert (BIG[:100], len(BIG), "truncated") in answer(query)


def test_environments(answer: Answer) -> None:
    query = of_calls("exec_args", "path, exec_args.arg, value", "'execve'", ", position")
    assert answer(query)[-3:] == [("/bin/true", 1, "true"), ("/bin/true", 2, "A=b"), ("/bin/true", 2, "C=d")]
    assert answer("SELECT cmdline FROM processes WHERE exe LIKE '%true'") == [("true",)]


def test_what_was_not_asked_for_is_not_there(recorded: tuple[Path, list[int]], tmp_path: Path) -> None:
    def configuration(output: Path) -> dict[str, Any]:
        with trace_of(output) as trace:
            return trace.manifest.configuration

    output = tmp_path / "trace.bpfrec"
    assert record_command(output, "cat", "/etc/hostname").returncode == 0
    assert rows(output, "SELECT count(*) FROM data") == [(0,)]
    assert rows(output, "SELECT DISTINCT arg FROM exec_args") == [(1,)]
    asked, plain = configuration(recorded[0]), configuration(output)
    assert (asked["data_bytes"], asked["environment"]) == (100, True)
    assert (plain["data_bytes"], plain["environment"]) == (0, False)


def test_the_report_stream_has_what_was_moved(recorded: tuple[Path, list[int]]) -> None:
    end, begin = recorded[1][:2]
    with bpfrec.open(recorded[0]) as trace:
        rows = trace.report("stream").dicts()
    first = [row for row in rows if row["syscall"] in ("writev", "readv")][:2]
    told = ("direction", "fd", "bytes", "position", "data", "data_status")
    assert [tuple(row[name] for name in told) for row in first] == [
        ("sent", begin, 8, 0, b"onethree", None),
        ("received", end, 8, 0, b"onethree", None),
    ]
    assert first[0]["name"] == first[1]["name"], "both ends of a pipe have its name"
    messages = [row for row in rows if row["syscall"] in ("sendmsg", "recvmsg")]
    assert [(row["direction"], row["data"]) for row in messages] == [
        ("sent", b"hello"),
        ("received", b"hello"),
        ("sent", b"datagram"),
        ("received", b"data"),
    ]
    assert messages[2]["peer"] == f"UDP 127.0.0.1:{recorded[1][5]}"
    (sink,) = [row for row in rows if row["bytes"] == len(BIG) and row["direction"] == "sent"]
    assert sink["data_status"] in ("truncated", "unreadable"), "no more than 100 bytes are copied of each"
    assert sink["data_status"] == "unreadable" or sink["data"] == BIG[:100]

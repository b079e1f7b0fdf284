"""Which calls a probe fires on: a library's function, the kernel's entry, a tracepoint, and a new process's return."""

from __future__ import annotations

import pytest
from support.trace_builder import START_NS, TraceBuilder

from bpfrec.analyze.facade import Trace
from bpfrec.formats import schema

CWD = -100
VM, VFORK, THREAD, SIGCHLD = 0x100, 0x4000, 0x10000, 17
STACK = 0x7000


def files(builder: TraceBuilder) -> None:
    for flags, path in ((0, "/a"), (0x100, "/a"), (0x1000, ""), (0x1000, "/a"), (0x800, "/a")):
        builder.call("newfstatat", 0, CWD if path else 3, 1, 2, flags, path=path)
    builder.call("newfstatat", 0, 5, 1, 2, 0, path="b")
    builder.call("statx", 0, CWD, 1, 0x800, 0x7FF, 2, path="/a")
    builder.call("openat", 0, CWD, 1, 0, 0, path="/a")
    builder.call("openat", 0, 2**32 - 100, 1, 0, 0, path="/b")
    builder.call("openat", 0, 7, 1, 0, 0, path="c")
    builder.call("open", 0, 1, 0, 0, path="/d")
    builder.call("creat", 0, 1, 0, path="/e")
    builder.call("openat2", 0, CWD, 1, 2, 24, path="/f")
    builder.call("open", 0, 1, 0, 0, path="/g", abi="i386", nr=5)
    builder.call("access", 0, 1, 0, path="/a")
    builder.call("faccessat", 0, CWD, 1, 0, path="/a")
    builder.call("mknodat", 0, CWD, 1, 0, 0, path="/a")
    builder.call("utimensat", 0, CWD, 1, 2, 0, path="/a")
    builder.call("utimensat", 0, 3, 0, 2, 0, path_status="null")


def sockets(builder: TraceBuilder) -> None:
    builder.call("accept", 0, 3, 1, 2)
    builder.call("accept4", 0, 3, 1, 2, 0)
    builder.call("accept4", 0, 3, 1, 2, 0o4000)
    builder.call("accept4", 0, 3, 1, 2, 0, abi="i386", nr=364)
    builder.call("recvfrom", 0, 3, 1, 2, 0, 0, 0)
    builder.call("recvfrom", 0, 3, 1, 2, 0, 5, 6)
    builder.call("semtimedop", 0, 1, 2, 1, 0)
    builder.call("semtimedop", 0, 1, 2, 1, 0x1000)
    builder.call("setresuid", 0, -1, 7, -1)
    builder.call("setresuid", 0, 7, 7, 7)
    builder.call("kill", 0, -9 % 2**32, 15)
    builder.call("kill", 0, 9, 15)
    builder.call("mknodat", 0, CWD, 1, 0o10644, 0, path="/fifo")
    builder.call("pselect6", 0, 1, 0, 0, 0, 0, 0)
    builder.call("pselect6", 0, 1, 0, 0, 0, 0, 9)


def processes(builder: TraceBuilder) -> None:
    born = {"pid": 4242, "ret": 0}
    for number, (name, *args) in enumerate(
        [
            ("clone", 0x1200000 | SIGCHLD, 0, 0, 0x10, 0),
            ("clone", SIGCHLD, STACK, 0, 0, 0),
            ("clone", VM | THREAD, STACK, 0, 0, 0),
            ("fork",),
            ("vfork",),
            ("clone3", STACK, 88),
            ("clone3", STACK, 88),
        ]
    ):
        at, child = 1_000_000 * number, 5000 + number
        event = builder.call(name, at, *args, **(born | {"ret": child}), took=100)
        if name == "clone3":
            flags = VM | VFORK if number == 5 else VM | THREAD
            builder.add(schema.STRUCTS, event_id=event, arg=0, kind="clone_args", word0=flags)
        # It takes another name while its mother still waits in vfork.
        for start, end, comm in ((at + 50, at + 70, "server"), (at + 70, None, "true")):
            pid = 4242 if args and number in (2, 6) else child
            end_ns = None if end is None else START_NS + end
            builder.add(schema.THREADS, tid=child, pid=pid, comm=comm, start_ns=START_NS + start, end_ns=end_ns)
    builder.call("clone", 9_000_000, SIGCHLD, 0, 0, 0, 0, ret=-11)
    builder.call("nanosleep", 9_100_000, 1, 0, entry_status="before-recording")


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    builder = TraceBuilder()
    for add in (files, sockets, processes):
        add(builder)
    with Trace(builder.write(tmp_path_factory.mktemp("exact") / "t.bpfrec")) as opened:
        yield opened


def total(trace, spec, **options):
    rows = trace.report("argdist", counts=[spec], **options).dicts()
    return sum(row["count"] for row in rows)


@pytest.mark.parametrize(
    ("spec", "calls"),
    [
        ("p:c:stat()", 1),
        ("p:c:lstat()", 1),
        ("p:c:fstat()", 1),
        ("p:c:fstatat()", 6),
        ("p:c:open()", 4),
        ("p:/lib/x86_64-linux-gnu/libc.so.6:open64()", 4),
        ("p:c:openat()", 3),
        ("p:c:creat()", 1),
        ("p::open()", 7),
        ("p::SyS_open()", 7),
        ("p::__x64_sys_open()", 1),
        ("p::__ia32_sys_open()", 1),
        ("p::__ia32_compat_sys_open()", 1),
        ("p::__do_sys_open()", 2),
        ("p::__x64_sys_newfstatat()", 6),
        ("t:syscalls:sys_enter_open()", 1),
        ("t:syscalls:sys_enter_openat()", 3),
        ("t:syscalls:sys_enter_newstat()", 0),
        ("p:c:access()", 1),
        ("p::access()", 2),
        ("p:c:mknod()", 2),
        ("p:c:utimes()", 1),
        ("p:c:futimens()", 1),
        ("p:c:accept()", 2),
        ("p:c:accept4()", 3),
        ("t:syscalls:sys_enter_accept()", 1),
        ("t:syscalls:sys_enter_accept4()", 2),
        ("p:c:recv()", 1),
        ("p:c:recvfrom()", 2),
        ("p:c:semop()", 1),
        ("p:c:semtimedop()", 2),
        ("p:c:seteuid(int u):int:u:u == 7", 1),
        ("p:c:setresuid()", 2),
        ("p:c:killpg(int sig):int:sig:sig == SIGTERM", 1),
        ("p:c:mkfifo()", 1),
        ("p:c:select()", 1),
        ("p:c:pselect()", 1),
        ("p:c:fork()", 3),
        ("p:c:vfork()", 1),
        ("p:c:clone()", 2),
        ("p::fork()", 4),
        ("p::vfork()", 2),
        ("p::clone()", 6),
        ("p::kernel_clone()", 8),
        ("t:syscalls:sys_enter_clone()", 4),
        ("t:syscalls:sys_enter_clone3()", 2),
    ],
)
def test_a_probe_fires_on_the_calls_that_stand_for_its_function(trace, spec, calls):
    assert total(trace, spec) == calls


@pytest.mark.parametrize(
    ("spec", "results"),
    [
        ("r:c:fork():int:$retval", {"-1": 1, "0": 2, "5000": 1, "5003": 1}),
        ("r:c:vfork():int:$retval", {"0": 1, "5004": 1}),
        ("r:c:clone():int:$retval", {"5001": 1, "5002": 1}),
        ("r::__x64_sys_clone():int:$retval", {"-11": 1, "5000": 1, "5001": 1, "5002": 1}),
        ("t:syscalls:sys_exit_clone():int:args->ret", {"-11": 1, "0": 3, "5000": 1, "5001": 1, "5002": 1}),
        ("t:syscalls:sys_exit_clone3():int:args->ret", {"0": 2, "5005": 1, "5006": 1}),
        ("t:raw_syscalls:sys_exit():int:args->ret:args->id == 56", {"-11": 1, "0": 3, "5000": 1, "5001": 1, "5002": 1}),
        ("t:syscalls:sys_exit_nanosleep():int:args->ret", {"0": 1}),
        ("r::__x64_sys_nanosleep():int:$retval", {}),
        # What is asked of the entry is not known where a child returns.
        ("r:c:fork():u64:$latency", {"100": 2, "1000": 1}),
    ],
)
def test_a_new_process_returns_too(trace, spec, results):
    rows = trace.report("argdist", counts=[spec]).dicts()
    assert {row["event"].partition(" = ")[2]: row["count"] for row in rows} == results


def test_the_child_that_returns_is_another_process(trace):
    rows = trace.report("trace", probes=['r:c:fork "%d", retval']).dicts()
    assert [(row["pid"], row["comm"], row["message"]) for row in rows] == [
        (5000, "server", "0"),
        (4242, "server", "5000"),
        (5003, "server", "0"),
        (4242, "server", "5003"),
        (4242, "server", "-1"),
    ]
    assert [row["pid"] for row in trace.report("trace", probes=["r:c:fork"], pid=5000).dicts()] == [5000]


def test_what_stands_for_nothing_here_is_told_from_what_was_not_made(trace):
    notes = trace.report("argdist", counts=["p:c:lutimes()"]).notes
    assert notes == ["the trace holds 2 calls of utimensat, but none that stands for lutimes"]
    notes = trace.report("argdist", counts=["t:syscalls:sys_enter_newstat()"]).notes
    assert "it holds newfstatat, statx, which the probe stat matches too" in notes[0]


def test_a_call_that_was_refused_does_not_reach_the_kernels_entry(tmp_path):
    builder = TraceBuilder()
    builder.call("uname", 0, 0x1000, ret=-1, entry_status="refused")
    builder.call("uname", 1, 0x1000)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert total(trace, "p:c:uname()") == 2
        for spec in ("t:syscalls:sys_enter_newuname()", "p::__x64_sys_newuname()", "r::__x64_sys_newuname()"):
            assert total(trace, spec) == 1, spec
        assert total(trace, "t:raw_syscalls:sys_enter():long:args->id") == 1
        assert total(trace, "t:syscalls:sys_exit_newuname()") == 2


def test_arguments_of_32_bit_programs_are_found_where_they_stand(tmp_path):
    builder = TraceBuilder()
    builder.call("readahead", 0, 3, 0x1000, 20)
    builder.call("readahead", 1, 3, 0, 1, 30, abi="i386", nr=225)
    builder.call("mmap", 2, 0, 4096, 3, 0x22, -1, 0)
    builder.call("mmap", 3, 0x5000, abi="i386", nr=90)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        counts = trace.report("argdist", counts=["p:c:readahead(int fd, long o, size_t n):size_t:n"])
        assert [row["event"] for row in counts.dicts()] == ["n = 20", "n = 30"]
        counts = trace.report("argdist", counts=["p::readahead():size_t:fd"])
        assert [(row["event"], row["count"]) for row in counts.dicts()] == [("fd = 3", 2)]
        counts = trace.report("argdist", counts=["p::mmap():size_t:len"])
        assert [row["event"] for row in counts.dicts()] == ["len = 4096"]
        assert counts.notes == ["mmap: 1 calls of mmap by 32-bit programs left out: len is none of their arguments"]
        assert total(trace, "p::mmap()") == 2


def test_in_a_pid_namespace_a_child_is_known_by_its_own_number(tmp_path):
    builder = TraceBuilder()
    builder.call("fork", 0, ret=2, took=100)
    builder.add(schema.PROCESSES, pid=900, ppid=4242, start_ns=START_NS + 50, ns_pid=2, comm="server")
    builder.add(schema.THREADS, tid=900, pid=900, comm="server", start_ns=START_NS + 50)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        rows = trace.report("trace", probes=['r:c:fork "%d", retval']).dicts()
    assert [(row["pid"], row["message"]) for row in rows] == [(900, "0"), (4242, "2")]

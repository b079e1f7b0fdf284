"""What expressions of probes can ask for: contents, addresses, structs, raw arguments, constants."""

from __future__ import annotations

import pytest
from support.trace_builder import TraceBuilder

from bpfrec.analyze.facade import Trace
from bpfrec.formats import schema
from bpfrec.formats.errors import ReportError


def contents(builder: TraceBuilder) -> None:
    for number, raw in enumerate((b"hello\0rest", "grün".encode(), b"\xff\xfe", b"", b"a\nb")):
        event = builder.call("write", number, 1, 0x1000, len(raw), ret=len(raw))
        builder.add(schema.DATA, event_id=event, arg=1, bytes=raw, size=len(raw))
    lost = builder.call("write", 9, 1, 0x1000, 5, ret=5)
    builder.add(schema.DATA, event_id=lost, arg=1, bytes=None, size=5, status="lost")
    read = builder.call("read", 10, 0, 0x1000, 5, ret=3)
    builder.add(schema.DATA, event_id=read, arg=1, bytes=b"abc", size=3)
    name = builder.call("memfd_create", 11, 0x1000, 0, ret=5)
    builder.add(schema.STRINGS, event_id=name, arg=0, value="shared")


def addresses(builder: TraceBuilder) -> None:
    for family, address, port in ((2, "192.0.2.1", 443), (1, "/run/x", None), (10, "::1", 80)):
        event = builder.call("connect", 20, 3, 0x1000, 16)
        builder.add(schema.SOCKADDRS, event_id=event, arg=1, family=family, address=address, port=port)
    accepted = builder.call("accept", 21, 3, 0x1000, 0x2000, ret=4)
    builder.add(schema.SOCKADDRS, event_id=accepted, arg=1, family=2, address="192.0.2.9", port=1)


def others(builder: TraceBuilder) -> None:
    for number in (9, 10, 10, 100):
        builder.call("close", 30, number)
    builder.call("kill", 31, 7, 15)
    builder.call("socket", 32, 10, 1, 0)
    builder.call("fcntl", 33, 3, 6, 0)
    builder.call("flock", 34, 3, 2)
    builder.call("poll", 35, 0x1000, 1, 2**32 - 1)
    limits = builder.call("getrlimit", 36, 7, 0x1000)
    builder.add(schema.STRUCTS, event_id=limits, arg=1, kind="rlimit", word0=1024, word1=4096)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    builder = TraceBuilder()
    for add in (contents, addresses, others):
        add(builder)
    with Trace(builder.write(tmp_path_factory.mktemp("values") / "t.bpfrec")) as opened:
        yield opened


def events(trace, *specs, **options):
    rows = trace.report("argdist", counts=specs, **options).dicts()
    return [(row["event"], row["count"]) for row in rows]


BUF = "int fd, char *buf"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            f"p:c:write({BUF}):char*:buf",
            ["", r"\xFF\xFE", "a\nb", "grün", "hello", "<lost>"],
        ),
        (f'p:c:write({BUF}):int:fd:buf == "hello"', ["1"]),
        (f'p:c:write({BUF}):int:fd:STRCMP("a\\nb", buf)', ["1"]),
        (f"r:c:read({BUF}):char*:$entry(buf)", ["abc"]),
        ("p:c:memfd_create(char *name):char*:name", ["shared"]),
        ("p:c:connect(int fd, struct sockaddr *sa):u16:sa->sa_family", ["1", "2", "10"]),
        ("p:c:connect(int fd, struct sockaddr_in *s):u16:s->sin_port:s->sin_family == AF_INET", [str(0xBB01)]),
        ("p:c:connect(int fd, struct sockaddr_un *sa):char*:sa->sun_path:sa->sun_family == AF_UNIX", ["/run/x"]),
        ("r:c:accept(int fd, struct sockaddr *sa):int:$entry(fd):sa->sa_family == AF_INET", ["3"]),
        ("r:c:getrlimit(int r, struct rlimit *l):u64:l->rlim_cur", ["1024"]),
        ("p:c:poll(void *f, int n, int t):int:t", ["-1"]),
        ("p:c:poll(void *f, unsigned int n, int t):unsigned int:t", ["4294967295"]),
        ("p:c:kill(int pid, int sig):int:pid:sig == SIGTERM", ["7"]),
        ("p:c:socket(int f, int t):int:f:f == AF_INET6 && t == SOCK_STREAM", ["10"]),
        ("p:c:fcntl(int fd, int cmd):int:cmd:cmd == F_SETLK", ["6"]),
        ("p:c:flock(int fd, int op):int:op:op & LOCK_EX", ["2"]),
        ("t:raw_syscalls:sys_enter():long,u64:args->id,args->args[0]:args->id == 62", ["62, args->args[0] = 7"]),
        ("t:raw_syscalls:sys_enter():u64:args->args[1]:args->id == 62", ["15"]),
        ("t:raw_syscalls:sys_exit():long:args->id:args->ret == 5 && args->id == 319", ["319"]),
        ("p:c:close(int fd):bool:fd == 9", ["True", "False"]),
        ("p:c:close(int fd):bool:fd", ["True"]),
        ("p:c:close(int fd):u8:(bool)fd", ["1"]),
        ("p:c:close(bool fd):int:fd", ["1"]),
    ],
)  # fmt: skip
def test_what_can_be_asked_for(trace, spec, expected):
    assert [event.partition(" = ")[2] for event, _ in events(trace, spec)] == expected


def test_values_that_are_as_frequent_are_sorted_as_numbers(trace):
    spec = "p:c:close(int fd):int:fd"
    assert events(trace, spec) == [("fd = 9", 1), ("fd = 100", 1), ("fd = 10", 2)]
    assert events(trace, spec, top=2) == [("fd = 100", 1), ("fd = 10", 2)]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("p:c:read(int fd, char *buf):char*:buf", "no string that probes read"),
        ("p:c:getrlimit(int r, struct rlimit *l):u64:l->rlim_cur", "nothing that probes read"),
        ("p:c:accept(int fd, struct sockaddr *sa):u16:sa->sa_family", "nothing that probes read"),
        ("t:raw_syscalls:sys_enter():u64:args->args[6]", "a number from 0 to 5"),
        ("t:raw_syscalls:sys_enter():u64:args->args[args->id]", "a number from 0 to 5"),
        ("t:raw_syscalls:sys_enter():u64:args->ret", "no field ret"),
        ("t:raw_syscalls:sys_exit():u64:args->args[0]", "no field args"),
        ("p:c:connect(int fd, struct sockaddr *sa):u16:sa->nonsense", "no member nonsense"),
        ("p:c:poll(int):int:1", "not a parameter"),
    ],
)
def test_what_is_not_known_where_the_probe_sits_is_refused(trace, spec, said):
    with pytest.raises(ReportError, match=said):
        trace.report("argdist", counts=[spec])


def test_contents_are_asked_for_where_there_are_any(tmp_path):
    builder = TraceBuilder()
    builder.call("write", 0, 1, 0x1000, 5)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace, pytest.raises(ReportError) as caught:
        trace.report("argdist", counts=[f"p:c:write({BUF}):char*:buf"])
    assert "--data" in caught.value.hint


def test_one_probe_that_is_refused_leaves_the_others(trace):
    answer = trace.report("argdist", counts=["p:c:malloc()", "p:c:close()"], histograms=["nonsense"])
    assert [(row["probe"], row["event"], row["count"]) for row in answer.dicts()] == [(1, "total calls", 4)]
    assert answer.titles == [(False, "p:c:close()")]
    assert answer.refused == 2
    assert [note.partition(",")[0] for note in answer.notes] == [
        "refused: malloc is no system call",
        "refused: error parsing probe 'nonsense': the probe type",
    ]
    answer = trace.report("trace", probes=["c:malloc", 'c:kill "%d", arg2'])
    assert [row["message"] for row in answer.dicts()] == ["15"]
    assert (answer.refused, answer.has_messages) == (1, True)
    with pytest.raises(ReportError, match="no probe can be answered") as caught:
        trace.report("trace", probes=["c:malloc", "p::vfs_open"])
    assert caught.value.hint.count("\n") == 1


@pytest.mark.parametrize(
    ("probe", "matched"),
    [
        # The last byte is not compared.
        ("c:write (STRCMP(\"{'h', 0x65, 0154, 108, 0}\", arg2))", 1),
        ("c:write (STRCMP(\"{'h', 0x65, 0154, 'x'}\", arg2))", 1),
        ("c:write (STRCMP(\"{'h', 0x65, 'x', 0}\", arg2))", 0),
        ('c:write (STRCMP("{0xff, 0xfe, 0}", arg2))', 1),
        # A string ends with a zero byte.
        ("c:memfd_create (STRCMP(\"{'s','h','a','r','e','d',0,0}\", arg1))", 1),
        ("c:memfd_create (STRCMP(\"{'s','h','a','r','e','d','!',0}\", arg1))", 0),
    ],
)
def test_strcmp_with_bytes(trace, probe, matched):
    assert len(trace.report("trace", probes=[probe], bin_cmp=True).rows) == matched


@pytest.mark.parametrize("constant", ["hell", "{}", "{256}", "{1 2}", "{a}", "{1,,2}", "1, 2"])
def test_what_is_no_list_of_bytes_is_refused(trace, constant):
    with pytest.raises(ReportError, match="-B"):
        trace.report("trace", probes=[f'c:write (STRCMP("{constant}", arg2))'], bin_cmp=True)

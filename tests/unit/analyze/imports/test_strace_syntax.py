"""Lines, arguments and numbers of strace logs, in all the forms that people attach to tickets."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.analyze.imports.strace_calls import call_text, parse_result
from bpfrec.analyze.imports.strace_clock import LogClock
from bpfrec.analyze.imports.strace_lines import Kind, parse_line
from bpfrec.analyze.imports.strace_numbers import parse_number, parse_signals, parse_wait_status
from bpfrec.analyze.imports.strace_values import Changed, Text, parse_value, split_arguments, unescaped
from bpfrec.formats.kernel.decoding import decoders

CALL = 'openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3'


@pytest.mark.parametrize(
    ("before", "pid", "time", "since"),
    [
        ("", None, "", ""),
        ("[pid  1234] ", 1234, "", ""),
        ("1234 ", 1234, "", ""),
        ("1234  ", 1234, "", ""),
        ("1234<sh> 1795879786.504248 ", 1234, "1795879786.504248", ""),
        ("[pid 16226<a b>] 1795879788.701144 ", 16226, "1795879788.701144", ""),
        ("15:26:42 ", None, "15:26:42", ""),
        ("1234 15:26:42.123456 ", 1234, "15:26:42.123456", ""),
        ("1795879786.504248 ", None, "1795879786.504248", ""),
        ("1795879786 ", None, "1795879786", ""),
        ("     0.000423 ", None, "", "0.000423"),
        ("1234      0.000423 ", 1234, "", "0.000423"),
        ("1234 15:26:42 (+     0.000423) ", 1234, "15:26:42", "0.000423"),
        ("1234 1795879775.413294 [00007f459d8baad7] ", 1234, "1795879775.413294", ""),
        ("1234 1795879775.413294 [ 257] ", 1234, "1795879775.413294", ""),
        ("1234 1795879775.413294 [ 257] [00007f459d8baad7] ", 1234, "1795879775.413294", ""),
        ("[????????????????] ", None, "", ""),
    ],
)
def test_what_stands_before_a_call(before: str, pid: int | None, time: str, since: str) -> None:
    line = parse_line(before + CALL)
    assert line is not None
    assert (line.kind, line.pid, line.time, line.since) == (Kind.CALL, pid, time, since)
    assert (line.name, line.result) == ("openat", "3")
    assert split_arguments(line.arguments) == ["AT_FDCWD", '"/etc/passwd"', "O_RDONLY"]


@pytest.mark.parametrize(
    ("text", "kind", "name", "arguments", "result", "spent"),
    [
        ("exit_group(1)   = ?", Kind.CALL, "exit_group", "1", "?", ""),
        ("getpid()        = 11961 <0.000012>", Kind.CALL, "getpid", "", "11961", "0.000012"),
        (
            'write(1, ") = 3\\n", 6) = 6 <0.000012>',
            Kind.CALL,
            "write",
            '1, ") = 3\\n", 6',
            "6",
            "0.000012",
        ),
        (
            "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 12",
            Kind.CALL,
            "wait4",
            "-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL",
            "12",
            "",
        ),
        ("7 wait4(-1,  <unfinished ...>", Kind.UNFINISHED, "wait4", "-1", "", ""),
        ("[pid 7] vfork( <unfinished ...>", Kind.UNFINISHED, "vfork", "", "", ""),
        ("[pid 7] read(0,  <detached ...>", Kind.UNFINISHED, "read", "0", "", ""),
        ("7 <... vfork resumed>) = 11963 <0.000308>", Kind.RESUMED, "vfork", "", "11963", "0.000308"),
        ('7 <... read resumed>"x", 4096) = 1', Kind.RESUMED, "read", '"x", 4096', "1", ""),
        ('7 <... read resumed> "x", 4096) = 1', Kind.RESUMED, "read", ' "x", 4096', "1", ""),
        ("7 <... exit_group resumed> <unfinished ...>) = ?", Kind.RESUMED, "exit_group", " ", "?", ""),
        ("7 <... futex resumed> ) = ? <unavailable>", Kind.RESUMED, "futex", "", "? <unavailable>", ""),
        ("7 +++ exited with 3 +++", Kind.EXITED, "3", "", "", ""),
        ("7 +++ killed by SIGSEGV (core dumped) +++", Kind.KILLED, "SIGSEGV", "", "", ""),
        ("7 +++ superseded by execve in pid 12 +++", Kind.SUPERSEDED, "12", "", "", ""),
        ("7 --- SIGCHLD {si_signo=SIGCHLD, si_pid=3} ---", Kind.SIGNAL, "SIGCHLD", "", "", ""),
        ("7 --- stopped by SIGSTOP ---", Kind.SIGNAL, "SIGSTOP", "", "", ""),
        ("strace: Process 12 attached", Kind.ATTACHED, "12", "attached", "", ""),
        ("Process 12 attached", Kind.ATTACHED, "12", "attached", "", ""),
        ("[ Process PID=12 runs in 32 bit mode. ]", Kind.MODE, "12", "32 bit", "", ""),
        (
            " > /usr/lib/libc.so.6(open64+0x5b) [0xf7b3b]",
            Kind.FRAME,
            "/usr/lib/libc.so.6(open64+0x5b) [0xf7b3b]",
            "",
            "",
            "",
        ),
        ("vfork(strace: Process 10464 attached", Kind.UNFINISHED, "vfork", "", "", ""),
        ("\x1b[33mgetpid\x1b[0m() = \x1b[32m3\x1b[0m", Kind.CALL, "getpid", "", "3", ""),
        ("% time     seconds  usecs/call     calls    errors syscall", Kind.IGNORED, "", "", "", ""),
        ("100.00    0.281638          28      9718      1440 total", Kind.IGNORED, "", "", "", ""),
    ],
)
def test_kinds_of_lines(text: str, kind: Kind, name: str, arguments: str, result: str, spent: str) -> None:
    line = parse_line(text)
    assert line is not None
    assert (line.kind, line.name, line.arguments, line.result, line.spent) == (kind, name, arguments, result, spent)


@pytest.mark.parametrize("text", ["hello world", "open(", ") = 1", "[pid 3] write(2, ", "main() called = x"])
def test_what_is_not_a_whole_line_of_strace(text: str) -> None:
    assert parse_line(text) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("0", ["0"]),
        ('"a, b", 3', ['"a, b"', "3"]),
        ("3</tmp/a, b>, 1", ["3</tmp/a, b>", "1"]),
        ("2</dev/null<char 1:3>>, TIOCGPGRP", ["2</dev/null<char 1:3>>", "TIOCGPGRP"]),
        ("4<TCP:[10.0.0.1:1->10.0.0.2:2]>, 1", ["4<TCP:[10.0.0.1:1->10.0.0.2:2]>", "1"]),
        ("1<<CAP_CHOWN|1<<CAP_KILL, 2", ["1<<CAP_CHOWN|1<<CAP_KILL", "2"]),
        ("[{fd=6, events=POLLIN}], 1", ["[{fd=6, events=POLLIN}]", "1"]),
        ("0x7 /* a, b */, 2", ["0x7 /* a, b */", "2"]),
        ('"\\"", 1', ['"\\""', "1"]),
        ("makedev(0x1, 0x3), 2", ["makedev(0x1, 0x3)", "2"]),
    ],
)
def test_arguments_are_split_at_their_own_commas(text: str, parts: list[str]) -> None:
    assert split_arguments(text) == parts


def test_values() -> None:
    assert parse_value('"a\\n\\0\\177\\x41\\"\\\\"...') == Text(b'a\n\0\x7fA"\\', whole=False)
    assert parse_value('@"hidden"') == Text(b"hidden", whole=True, abstract=True)
    assert parse_value("[128 => 2]") == [Changed("128", "2")]
    assert parse_value("{flags=A} => {tid=[3]}") == Changed({"flags": "A"}, {"tid": ["3"]})
    assert parse_value("3</etc/passwd>") == "3"
    assert parse_value("0x3 /* PROT_READ|PROT_WRITE */") == "0x3"
    assert parse_value('{a={b=1, c=[2, 3]}, d="x", ...}') == {
        "a": {"b": "1", "c": ["2", "3"]},
        "d": Text(b"x", whole=True),
    }


@given(st.binary(max_size=40))
def test_strings_come_back_byte_for_byte(raw: bytes) -> None:
    assert unescaped("".join(f"\\x{byte:02x}" for byte in raw)) == raw
    octal = "".join(f"\\{byte:03o}" for byte in raw)
    assert unescaped(octal) == raw


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("NULL", 0),
        ("-1", -1),
        ("0644", 0o644),
        ("0x7f", 127),
        ("8192*1024", 8192 * 1024),
        ("RLIM64_INFINITY", (1 << 64) - 1),
        ("S_IFREG|0644", 0o100644),
        ("makedev(0x1, 0x3)", 0x103),
        ("_IOC(_IOC_READ, 0x54, 0x32, 0x4)", 0x80045432),
        ("htons(80)", 80),
        ("O_RDONLY|O_CLOEXEC", 0o2000000),
        ("no such name", None),
        ("PROT_READ|0x80", 0x81),
    ],
)
def test_numbers(text: str, number: int | None) -> None:
    assert parse_number(text) == number


@given(st.data())
def test_names_of_constants_give_their_values_back(data: st.DataObject) -> None:
    decoder = data.draw(st.sampled_from([d for d in decoders().values() if d.terms and not d.choices]))
    term = data.draw(st.sampled_from(decoder.terms))
    name = data.draw(st.sampled_from(sorted(term.values)))
    number = parse_number(name.split(" or ")[0], decoder)
    assert number is not None
    known = {value for t in decoder.terms for n, value in t.values.items() if name.split(" or ")[0] in n.split(" or ")}
    assert number in known


def test_signals_and_states_of_children() -> None:
    assert parse_signals("[]") == 0
    assert parse_signals("[INT CHLD]") == 1 << 1 | 1 << 16
    assert parse_signals("~[RTMIN RT_1]") == ((1 << 64) - 1) & ~(1 << 31 | 1 << 32)
    assert parse_wait_status("WIFEXITED(s) && WEXITSTATUS(s) == 3") == 3 << 8
    assert parse_wait_status("WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)") == 0x80 | 11
    assert parse_wait_status("WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP") == 19 << 8 | 0x7F


@pytest.mark.parametrize(
    ("text", "ret", "errno"),
    [
        ("0", 0, None),
        ("3</etc/passwd>", 3, None),
        ("0x7f0000000000", 0x7F0000000000, None),
        ("-1 ENOENT (No such file or directory)", -2, "ENOENT"),
        ("? ERESTARTSYS (To be restarted if SA_RESTART is set)", -512, "ERESTARTSYS"),
        ("?", None, None),
        ("? <unavailable>", None, None),
        ("1 (in [3], left {tv_sec=0, tv_usec=1})", 1, None),
        ("0x8002 (flags O_RDWR|O_LARGEFILE)", 0x8002, None),
    ],
)
def test_results(text: str, ret: int | None, errno: str | None) -> None:
    result = parse_result(text)
    assert (result.ret, result.errno) == (ret, errno)


def test_arguments_stand_where_the_kernel_has_them() -> None:
    clone = call_text("clone", "x86_64").parse("child_stack=NULL, flags=CLONE_VM|SIGCHLD, child_tidptr=0x7f", 3, "")
    assert clone.arguments == [0x100 | 17, 0, None, 0x7F, None, None]
    futex = call_text("futex", "x86_64").parse(
        "0x1000, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, FUTEX_BITSET_MATCH_ANY", 0, ""
    )
    assert futex.arguments == [0x1000, 9 | 128, 0, 0, None, 0xFFFFFFFF]
    mmap = call_text("mmap", "x86_64").parse("NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0", 0, "")
    assert mmap.arguments == [0, 8192, 1, 0x22, (1 << 64) - 1, 0]
    opened = call_text("openat", "x86_64").parse('AT_FDCWD</tmp>, "/etc/pass"..., O_RDONLY', 3, "")
    assert opened.arguments[:3] == [0xFFFFFF9C, None, 0]
    assert opened.paths[0] == ("/etc/pass", "truncated")
    unknown = call_text("syscall_0x1ff", "x86_64").parse("0x1, 0x2", -38, "")
    assert (call_text("syscall_0x1ff", "x86_64").name, unknown.arguments[:2]) == ("unknown_511", [1, 2])


def test_days_are_counted_up_at_midnight() -> None:
    clock = LogClock(datetime.date(2026, 11, 28), 3600, 0)
    before = clock.read("23:59:59.500000", "")
    assert clock.read("00:00:00.250000", "") - before == 750_000_000
    midnight = datetime.datetime(2026, 11, 28, 23, tzinfo=datetime.UTC)
    assert clock.read("00:00:00.000000", "") == int(midnight.timestamp()) * 10**9

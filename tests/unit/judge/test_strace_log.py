from __future__ import annotations

import pytest
from judge.strace_log import parse_call, parse_log
from judge.strace_values import NotationError


def test_a_call_with_its_result() -> None:
    call = parse_call(7, 'openat(AT_FDCWD, "a) = \\"3", O_RDONLY) = -1 ENOENT (No such file or directory)')
    assert (call.name, call.ret, call.errno) == ("openat", -1, "ENOENT")
    assert [value.text for value in call.args] == ["AT_FDCWD", '"a) = \\"3"', "O_RDONLY"]


@pytest.mark.parametrize(
    ("result", "ret", "errno", "detail"),
    [
        ("3", 3, None, None),
        ("0x7f00", 0x7F00, None, None),
        ("022", 0o22, None, None),
        ("?", None, None, None),
        ("? <unavailable>", None, None, None),
        (
            "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
            -1,
            "ERESTARTSYS",
            "To be restarted if SA_RESTART is set",
        ),
        ("-1 ERESTART_RESTARTBLOCK (Unknown error 516)", -1, "ERESTART_RESTARTBLOCK", "Unknown error 516"),
        ("1 ([{fd=4, revents=POLLIN}])", 1, None, "[{fd=4, revents=POLLIN}]"),
        ("0x8001 (flags O_WRONLY|O_LARGEFILE)", 0x8001, None, "flags O_WRONLY|O_LARGEFILE"),
        ("0 (Timeout)", 0, None, "Timeout"),
    ],
)
def test_results(result: str, ret: int | None, errno: str | None, detail: str | None) -> None:
    call = parse_call(7, f"some(1)                    = {result}")
    assert (call.ret, call.errno, call.detail) == (ret, errno, detail)


def test_a_call_on_two_lines_is_one_at_the_place_where_it_began() -> None:
    log = parse_log(
        [
            "1 read(3,  <unfinished ...>",
            '2 write(4, "<unfinished ...>", 16) = 16',
            '1 <... read resumed>"x\\0", 2)   = 2',
            "1 close(3) = 0",
            "1 --- SIGCHLD {si_signo=SIGCHLD} ---",
            "1 +++ exited with 0 +++",
        ]
    )
    assert log.root == 1
    assert [(call.name, call.ret, call.is_last) for call in log.threads[1]] == [("read", 2, False), ("close", 0, True)]
    assert [value.text for value in log.threads[1][0].args] == ["3", '"x\\0"', "2"]
    assert [value.text for value in log.threads[2][0].args] == ["4", '"<unfinished ...>"', "16"]
    assert (log.signals, log.ends, len(log)) == (1, 1, 3)


def test_a_call_that_never_ends_keeps_the_arguments_that_were_told() -> None:
    log = parse_log(
        [
            "1 futex(0x1, FUTEX_WAIT, 2, NULL <unfinished ...>",
            "1 <... futex resumed>) = ?",
            "1 +++ killed by SIGKILL +++",
        ]
    )
    [call] = log.threads[1]
    assert (call.ret, call.errno, call.is_last, len(call.args)) == (None, None, True, 4)
    [call] = parse_log(["1 wait4(-1,  <unfinished ...>"]).threads[1]
    assert (call.ret, call.whole, [value.text for value in call.args]) == (None, False, ["-1"])


def test_an_execve_of_a_thread_is_that_thread_s_call() -> None:
    log = parse_log(
        [
            "1 futex(0x1 <unfinished ...>",
            '2 execve("/bin/true", ["true"], 0x2 /* 3 vars */ <unfinished ...>',
            "1 <... futex resumed>) = ?",
            "1 +++ superseded by execve in pid 2 +++",
            "1 <... execve resumed>) = 0",
            "1 brk(NULL) = 0x1000",
        ]
    )
    assert [(call.name, call.ret, call.is_last) for call in log.threads[1]] == [
        ("futex", None, True),
        ("brk", 0x1000, False),
    ]
    assert [(call.name, call.ret, len(call.args)) for call in log.threads[2]] == [("execve", 0, 3)]


@pytest.mark.parametrize(
    "lines",
    [
        ["no thread"],
        ["1 garbage"],
        ["1 read(3"],
        ['1 read(3, "abc) = 0'],
        ["1 read(3) = "],
        ["1 <... read resumed>) = 0"],
        ["1 read(3 <unfinished ...>", "1 <... write resumed>) = 0"],
    ],
)
def test_what_strace_does_not_write_is_refused(lines: list[str]) -> None:
    with pytest.raises(NotationError):
        parse_log(lines)

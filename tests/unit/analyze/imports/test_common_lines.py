"""Lines of the form that most have are read in less time than others, and to the same rows."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.analyze.imports import strace_values
from bpfrec.analyze.imports.strace_calls import parse_result
from bpfrec.analyze.imports.strace_clock import LogClock
from bpfrec.analyze.imports.strace_log import StraceLog

LOG = (Path(__file__).parents[3] / "cli" / "strace.log").read_text().splitlines()
ARGUMENTS = (
    *(
        '3</usr/lib>, "abc\\n"..., 4096',
        'AT_FDCWD</tmp>, "a, b", O_RDONLY|O_CLOEXEC',
        '4<TCP:[10.0.0.1:1->10.0.0.2:2]>, "x", 1',
    ),
    *("NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0", "3</a, b>, F_SETFD, FD_CLOEXEC", "3", ""),
    *('AT_FDCWD, "a", {st_mode=S_IFREG|0644, st_size=1<<20, ...}, 0', "3</x>, 0x55d0 /* 33 entries, or more */, 32768"),
    *(
        "5, [{events=EPOLLIN, data=0x7}, {events=EPOLLOUT, data={u32=1}}], 128, -1",
        "[1], NULL, 8",
        "{a=[{b={c=[1]}}]}, 2",
    ),
    *(
        "1, 2,  3",
        "3<",
        "4>, 5",
        '"',
        '"\\',
        "[1, 2",
        "1], 2",
        "/* 3, 4",
        "022",
        "1, ",
        ", 1",
        "CHLD, ~[RTMIN RT_1], 8",
        "0x1 /* a */",
    ),
)
RESULTS = (
    *(
        "0",
        "-1 ENOENT (No such file or directory)",
        "3</usr/lib/a>",
        "3</a b>",
        "?",
        "? ERESTARTSYS (To be restarted)",
        "022",
    ),
    *(
        "-1 EINTR (Interrupted system call)",
        "0x7f0000000000",
        "12 ([{fd=3, revents=POLLIN}])",
        "18446744073709551615",
        "-5",
    ),
    *("9" * 19, "1 (in [3])", "٣", "-1 ENOSUCH (x)", "0 (flags O_RDONLY)"),
)
NAMES = ("read", "write", "openat", "close", "newfstatat", "fcntl", "mmap", "epoll_wait", "select", "umask", "futex")
NAMES += ("getdents64", "rt_sigprocmask", "syscall_0x1c1", "nonsense", "getpid", "clone", "execve", "getuid", "ioctl")
PREFIXES = (
    "",
    "12 ",
    "12  1795879786.504248 ",
    "7 10:00:00.000001 ",
    "[pid 9] ",
    "1795879786.504248 ",
    "12 0.000100 ",
    "12<sh> ",
)


def read(lines: Iterable[str], *, plainly: bool) -> tuple[Any, ...]:
    """All that a log tells; ``plainly``: no line is read as a common one."""
    log = StraceLog(LogClock(datetime.date(2026, 11, 28), 0, 0))
    with mock.patch.object(log, "_read_common", (lambda *_: False) if plainly else log._read_common):
        rows = [row for batch in log.batches((None, line) for line in lines) for row in batch]
    threads = [(t.tid, t.leader and t.leader.tid, t.cwd, t.uid, [n.text for n in t.names]) for t in log.threads.all]
    told = (log.counts, log.not_understood, log.descriptors, log.side_rows, log.first_ns, log.last_ns, log.handler_ends)
    return rows, threads, *told


LINE = st.builds(
    "{}{}({}) = {}{}".format,
    st.sampled_from(PREFIXES),
    st.sampled_from(NAMES),
    st.one_of(st.sampled_from(ARGUMENTS), st.lists(st.sampled_from(ARGUMENTS), min_size=2, max_size=3).map(", ".join)),
    st.sampled_from(RESULTS),
    st.sampled_from(("", " <0.000010>", " <12.000000>", " <0.1>", " ")),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(LINE, st.sampled_from(LOG)), min_size=1, max_size=12))
def test_common_lines_give_the_rows_that_they_would_give_as_others(lines: list[str]) -> None:
    # Whether a descriptor was open before is told by results, and only the common form reads a name with a blank.
    assert read([line.replace("</a b>", "</a_b>") for line in lines], plainly=False) == read(
        [line.replace("</a b>", "</a_b>") for line in lines], plainly=True
    )


def test_most_lines_of_a_log_are_common(monkeypatch: pytest.MonkeyPatch) -> None:
    log = StraceLog(LogClock(datetime.date(2026, 11, 28), 0, 0))
    others: list[str] = []
    plain = log._read
    monkeypatch.setattr(log, "_read", lambda text, pid: (others.append(text), plain(text, pid)))
    list(log.batches((None, f"12 {1795879786 + n}.504248 {'close(3</a>) = 0 <0.000010>'}") for n in range(10)))
    assert others == []


@settings(deadline=None, max_examples=400)
@given(
    st.lists(
        st.sampled_from([*ARGUMENTS, ", ", ",", "{", "}", "[", "]", "(", ")", "<", ">", "/", "*", " "]), max_size=5
    )
)
def test_arguments_are_split_as_character_by_character(parts: list[str]) -> None:
    text = "".join(parts)
    assert strace_values.split_arguments(text) == strace_values._split(text)


def test_a_name_with_a_blank_does_not_hide_what_was_opened() -> None:
    lines = ['12 openat(AT_FDCWD, "/a b", O_RDONLY) = 3</a b>', '12 read(3</a b>, "x", 1) = 1']
    log = StraceLog(LogClock(datetime.date(2026, 11, 28), 0, 0))
    list(log.batches((None, line) for line in lines))
    assert log.descriptors == {}


def test_umask_returns_an_octal_number() -> None:
    assert parse_result("022").ret == 0o22
    assert parse_result("0").ret == 0


@pytest.mark.parametrize(
    "call", ["select(3) = 1 (in [3])", "poll() = 1 ([{fd=3, revents=POLLIN}])", "pselect6() = 2 (out [1])"]
)
def test_a_call_without_its_arguments_is_read(call: str) -> None:
    """Found by making up lines: it was a traceback."""
    (row,), *_ = read([f"12 {call}"], plainly=False)
    assert call.partition("(")[0] in row

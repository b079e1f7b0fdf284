"""The judge finds what is wrong: a recording that agrees with a log is changed in one place."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
from judge.captures import Capture
from judge.comparing import Form, compare_same_run
from judge.other_run import compare_other_run
from judge.recorded import Recorded, Recording
from judge.strace_log import StraceLog, parse_log

RAW = [
    "10 execve(0x1, 0x2, 0x3) = 0",
    "10 openat(0xffffff9c, 0x5, 0, 0) = -1 ENOENT (No such file or directory)",
    "10 clone(0x11, 0, 0, 0x7f, 0) = 0xb",
    "11 getpid() = 0xb",
    "11 nanosleep(0x8, 0) = 0",
    "11 syscall_0x4000270f(0x1, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)",
    "11 exit_group(0) = ?",
    "11 +++ exited with 0 +++",
    "10 pause( <unfinished ...>",
    "10 +++ killed by SIGKILL +++",
]
VERBOSE = [
    '10 execve("/bin/x", ["x"], ["A=b"]) = 0',
    '10 openat(AT_FDCWD, "/a\\377", O_RDONLY) = -1 ENOENT (No such file or directory)',
    "10 clone(child_stack=NULL, flags=SIGCHLD, child_tidptr=0x7f) = 11",
    "11 getpid() = 11",
    "11 nanosleep({tv_sec=1, tv_nsec=5}, NULL) = 0",
    "11 syscall_0x4000270f(0x1, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)",
    "11 exit_group(0) = ?",
    "11 +++ exited with 0 +++",
    "10 pause( <unfinished ...>",
    "10 +++ killed by SIGKILL +++",
]
LOGS = {Form.RAW: RAW, Form.VERBOSE: VERBOSE}


def call(tid: int, name: str, args: list[int], ret: int | None, errno: str | None = None) -> Recorded:
    return Recorded(0, tid, tid, name, args, ret, errno, None if ret is not None else "thread-exited", None)


def recording() -> Recording:
    own = call(5, "ptrace", [1, 2], 0)
    copied = {1: Capture(strings=("x",)), 2: Capture(strings=("A=b",))}
    execve = replace(call(10, "execve", [1, 2, 3], 0), paths={0: ("/bin/x", None)}, data=copied)
    openat = replace(call(10, "openat", [0xFFFFFF9C, 5, 0, 0], -2, "ENOENT"), paths={1: ("/a\\xff", "not-utf8")})
    openat.texts = {0: "AT_FDCWD", 2: "O_RDONLY"}
    clone = replace(call(10, "clone", [0x11, 0, 0, 0x7F, 0], 11), texts={0: "SIGCHLD"})
    sleep = replace(call(11, "nanosleep", [8, 0], 0), data={0: Capture(words=(1, 5))})
    root = [execve, openat, clone, call(10, "pause", [], None)]
    unknown = call(11, "unknown_9999", [1, 0, 0, 0, 0, 0], -38, "ENOSYS")
    child = [call(11, "getpid", [], 11), sleep, unknown, call(11, "exit_group", [0], None)]
    return Recording({5: [own], 10: [call(10, "getpid", [], 10), *root], 11: child}, 5, {10})


@pytest.mark.parametrize("form", Form)
def test_what_agrees_agrees(form: Form) -> None:
    findings = compare_same_run("program", form, parse_log(LOGS[form]), recording())
    assert findings.unexplained == []
    assert findings.calls == 8
    assert findings.explained == {"strace's own calls": 1, "before the first execve": 1}
    if form is Form.VERBOSE:
        assert findings.agreed == {"results": 8, "paths": 2, "pointed-to data": 3, "texts": 3}
        assert findings.gaps["signals and exits", "exits"] == 2


def wrong_argument(ours: Recording) -> None:
    ours.threads[10][2].args[3] = 1


def wrong_result(ours: Recording) -> None:
    ours.threads[10][3].ret = 12


def wrong_error(ours: Recording) -> None:
    ours.threads[10][2].errno = "EPERM"


def returned(ours: Recording) -> None:
    ours.threads[11][3].ret = 0


def missing(ours: Recording) -> None:
    del ours.threads[11][1]


def doubled(ours: Recording) -> None:
    ours.threads[11].insert(1, deepcopy(ours.threads[11][1]))


def fewer_arguments(ours: Recording) -> None:
    ours.threads[11][1].args.pop()


def stranger(ours: Recording) -> None:
    ours.threads[12] = [call(12, "getpid", [], 12)]


@pytest.mark.parametrize(
    "change", [wrong_argument, wrong_result, wrong_error, returned, missing, doubled, fewer_arguments, stranger]
)
def test_one_wrong_call_is_one_difference(change: Callable[[Recording], None]) -> None:
    ours = recording()
    change(ours)
    findings = compare_same_run("program", Form.RAW, parse_log(RAW), ours)
    assert len(findings.unexplained) == 1, findings.lines()


@pytest.mark.parametrize("text", ["/b", None])
def test_a_wrong_path_is_a_difference(text: str | None) -> None:
    ours = recording()
    ours.threads[10][2].paths = {1: (text, None if text else "unreadable")}
    findings = compare_same_run("program", Form.VERBOSE, parse_log(VERBOSE), ours)
    assert [difference.kind[:17] for difference in findings.unexplained] == ["filename: path is"]


def test_a_wrong_timespec_is_a_difference() -> None:
    ours = recording()
    ours.threads[11][1].data = {0: Capture(words=(1, 6))}
    findings = compare_same_run("program", Form.VERBOSE, parse_log(VERBOSE), ours)
    assert len(findings.unexplained) == 1


@pytest.mark.parametrize(("text", "wrong"), [("O_RDONLY", 0), ("O_WRONLY", 1), (None, 1)])
def test_texts_are_compared_where_there_are_any(text: str | None, wrong: int) -> None:
    ours = recording()
    ours.threads[10][2].texts[2] = text
    findings = compare_same_run("program", Form.VERBOSE, parse_log(VERBOSE), ours)
    assert len(findings.unexplained) == wrong
    assert findings.agreed["texts"] == 3 - wrong


def test_what_is_no_known_gap_is_a_difference() -> None:
    log = parse_log(["10 execve(0x1, 0x2, 0x3) = 0", "10 getpid([1]) = 0xa"])
    ours = Recording({10: [call(10, "execve", [1, 2, 3], 0), call(10, "getpid", [], 10)]}, 5, {10})
    findings = compare_same_run("program", Form.VERBOSE, log, ours)
    assert [difference.kind for difference in findings.unexplained] == [
        "getpid.arg0 is neither recorded nor listed as a gap"
    ]


def other(form: Form, ids: dict[str, str]) -> StraceLog:
    lines = []
    for line in LOGS[form]:
        tid, _, rest = line.partition(" ")
        lines.append(f"{ids[tid]} {rest}".replace("= 11", "= 21").replace("= 0xb", "= 0x15"))
    return parse_log(lines)


@pytest.mark.parametrize("form", Form)
def test_other_ids_in_another_run_are_explained(form: Form) -> None:
    ours = recording()
    ours.threads[5] = [call(5, "getuid", [], 0), *ours.threads.pop(10)[1:]]
    findings = compare_other_run("two", "/bin/x", form, other(form, {"10": "20", "11": "21"}), ours)
    assert findings.unexplained == []
    assert findings.explained["another pid"] == 2
    ours.threads[11][0].ret = 12
    findings = compare_other_run("two", "/bin/x", form, other(form, {"10": "20", "11": "21"}), ours)
    assert len(findings.unexplained) == 1

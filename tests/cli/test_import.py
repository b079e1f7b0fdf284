"""``bpfrec import``: logs of strace as traces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.program import run_bpfrec

import bpfrec

LOG = Path(__file__).with_name("strace.log")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("imported") / "ticket.bpfrec"
    done = run_bpfrec("import", LOG, "-o", target)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{target}: 13 calls from 20 lines; not understood: 1, in the table log_lines\n"
    return target


def asked(trace: Path, query: str) -> list[dict[str, Any]]:
    done = run_bpfrec("analyze", "-i", trace, "sql", query, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_calls(trace: Path) -> None:
    rows = asked(
        trace, "SELECT ts_ns, duration_ns, pid, comm, uid, syscall, ret, errno, path FROM syscalls ORDER BY event_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        (0, 422_000, 100, None, 1000, "execve", 0, None, "/usr/bin/sh"),
        (921_000, 10_000, 100, "sh", 1000, "getuid", 1000, None, None),
        (1_121_000, 100_000, 100, "sh", 1000, "openat", -2, "ENOENT", "sh.rc"),
        (1_319_000, 17_000, 100, "sh", 1000, "access", -2, "ENOENT", "/etc/ld.so.preload"),
        (28_254_000, 300_000, 100, "sh", 1000, "clone", 101, None, None),
        (28_521_000, 100_000, 101, "sh", 1000, "openat", 3, None, "a"),
        (28_921_000, 20_000, 101, "sh", 1000, "read", 12, None, None),
        (29_021_000, 87_000, 101, "sh", 1000, "connect", -111, "ECONNREFUSED", None),
        (29_121_000, 100_000_000, 101, "sh", 1000, "nanosleep", -4, "EINTR", None),
        (129_321_000, 10_000, 101, "sh", 1000, "rt_sigreturn", -4, None, None),
        (129_421_000, None, 101, "sh", 1000, "exit_group", None, None, None),
        (28_721_000, 100_900_000, 100, "sh", 1000, "wait4", 101, None, None),
        (129_821_000, None, 100, "sh", 1000, "futex", None, None, None),
    ]


def test_what_calls_are_about(trace: Path) -> None:
    texts = {
        row["call_text"]
        for name in ("openat", "connect", "wait4", "nanosleep", "clone")
        for row in asked(trace, f"SELECT call_text FROM sys.{name}")
    }
    assert texts == {
        'openat(AT_FDCWD, "sh.rc", O_RDONLY) = -1 ENOENT (No such file or directory)',
        'openat(AT_FDCWD, "a", O_RDONLY|O_CLOEXEC) = 3',
        (
            'connect(4, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.9")}, 16)'
            " = -1 ECONNREFUSED (Connection refused)"
        ),
        "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 101",
        "nanosleep({tv_sec=1, tv_nsec=5}, NULL) = -1 EINTR (Interrupted system call)",
        (
            "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD,"
            " child_tidptr=0x7f97124e3a10) = 101"
        ),
    }
    assert asked(trace, "SELECT bytes::VARCHAR AS bytes, size FROM data") == [
        {"bytes": "hello\\x0A) = 9\\x0A", "size": 12}
    ]


def test_names_of_descriptors_come_from_calls_and_from_the_log(trace: Path) -> None:
    rows = asked(trace, "SELECT resolved_path FROM syscalls WHERE syscall IN ('openat', 'read') ORDER BY event_id")
    assert [row["resolved_path"] for row in rows] == ["/srv/sh.rc", "/srv/a", "/srv/a"]


def test_processes(trace: Path) -> None:
    rows = asked(trace, "SELECT pid, ppid, comm, exe, cmdline, exit_code FROM processes ORDER BY pid")
    assert [tuple(row.values()) for row in rows] == [
        (100, None, "sh", "/usr/bin/sh", "sh -c 'cat a; cat b'", None),
        (101, 100, "sh", None, None, 3),
    ]


def test_what_is_missing_is_said(trace: Path) -> None:
    assert asked(trace, "SELECT * FROM log_lines") == [{"line": 15, "text": "this is no line of strace"}]
    rows = asked(trace, "SELECT kind, severity, count FROM losses")
    assert [tuple(row.values()) for row in rows] == [
        ("lines-not-understood", "notice", 1),
        ("not-in-a-log", "notice", 13),
    ]
    assert [row["unfinished"] for row in asked(trace, "SELECT unfinished FROM syscalls WHERE syscall = 'futex'")] == [
        "recording-stopped"
    ]


@pytest.mark.slow
def test_every_report_answers(trace: Path) -> None:
    listed = run_bpfrec("analyze", "-i", trace, "report").stdout.split("\n")
    names = [line.split()[0] for line in listed if line and not line.startswith(" ")]
    assert "failed-opens" in names
    with bpfrec.open(trace) as opened:
        for name in names:
            if name not in ("argdist", "trace", "stackcount"):
                done = run_bpfrec("analyze", "report", name, opened=opened)
                assert done.returncode == 0, f"{name}: {done.stderr}"


def test_one_file_for_each_process(tmp_path: Path) -> None:
    (tmp_path / "out.7").write_text(
        "1.000000 fork() = 8\n1.500000 wait4(8, NULL, 0, NULL) = 8\n1.600000 +++ exited with 0 +++\n"
    )
    (tmp_path / "out.8").write_text('1.250000 execve("/bin/true", ["true"], 0x1) = 0\n1.300000 +++ exited with 0 +++\n')
    for number in ("7", "8"):
        log = tmp_path / f"out.{number}"
        log.write_text(log.read_text().replace("1.", "1795879631."))
    target = tmp_path / "ff.bpfrec"
    assert run_bpfrec("import", tmp_path / "out.7", tmp_path / "out.8", "-o", target).returncode == 0
    rows = asked(target, "SELECT pid, syscall, ts_ns FROM syscalls ORDER BY event_id")
    assert [tuple(row.values()) for row in rows] == [
        (7, "fork", 0),
        (8, "execve", 250_000_000),
        (7, "wait4", 500_000_000),
    ]
    assert asked(target, "SELECT ppid FROM processes WHERE pid = 8") == [{"ppid": 7}]


def test_a_log_of_a_terminal_names_no_process_while_there_is_one(tmp_path: Path) -> None:
    log = tmp_path / "terminal.log"
    log.write_text(
        "getpid()                                = 40\n"
        "vfork(strace: Process 41 attached\n"
        " <unfinished ...>\n"
        '[pid    41] write(2, "x\\n", 2x\n'
        ")           = 2\n"
        "[pid    41] exit_group(0)               = ?\n"
        "[pid    41] +++ exited with 0 +++\n"
        "<... vfork resumed>)                    = 41\n"
        "+++ exited with 0 +++\n"
    )
    target = tmp_path / "terminal.bpfrec"
    done = run_bpfrec("import", log, "-o", target)
    assert done.stderr == f"{target}: 4 calls from 9 lines\n"
    rows = asked(target, "SELECT pid, syscall, ret FROM syscalls ORDER BY event_id")
    assert [tuple(row.values()) for row in rows] == [
        (40, "getpid", 40),
        (41, "write", 2),
        (41, "exit_group", None),
        (40, "vfork", 41),
    ]
    assert [row["kind"] for row in asked(target, "SELECT kind FROM losses")] == ["no-times", "not-in-a-log"]


def test_stacks_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "stacks.log"
    log.write_text(
        "7 getppid() = 1\n > /usr/lib/libc.so.6(getppid+0xb) [0xe0a1b]\n > /tmp/a.out(main+0x1d) [0x1149]\n"
        "7 getpid() = 7\n > /tmp/a.out() [0x1000]\n"
    )
    target = tmp_path / "stacks.bpfrec"
    assert run_bpfrec("import", log, "-o", target).returncode == 0
    rows = asked(
        target,
        "SELECT syscall, depth, symbol, symbol_offset, module, module_address "
        "FROM syscalls JOIN frames USING (stack_id) ORDER BY ALL",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("getpid", 0, None, None, "/tmp/a.out", 0x1000),
        ("getppid", 0, "getppid", 0xB, "/usr/lib/libc.so.6", 0xE0A1B),
        ("getppid", 1, "main", 0x1D, "/tmp/a.out", 0x1149),
    ]


def test_times_of_day_are_those_of_the_day_and_zone_that_are_given(tmp_path: Path) -> None:
    log = tmp_path / "day.log"
    log.write_text("23:59:59.500000 getpid() = 7\n00:00:01.000000 getpid() = 7\n")
    target = tmp_path / "day.bpfrec"
    assert run_bpfrec("import", log, "-o", target, "--date", "2026-03-01", "--zone", "+02:00").returncode == 0
    rows = asked(target, "SELECT ts::VARCHAR AS ts FROM syscalls ORDER BY event_id")
    assert [row["ts"] for row in rows] == ["2026-03-01 21:59:59.5", "2026-03-01 22:00:01"]


def test_refusals(tmp_path: Path) -> None:
    log, target = tmp_path / "a.log", tmp_path / "a.bpfrec"
    log.write_text("no log of strace\n")
    done = run_bpfrec("import", log, "-o", target)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"bpfrec: {log}: no line of it is a system call as strace writes it",
    )
    assert not target.exists()
    log.write_text("getpid() = 7\n")
    assert run_bpfrec("import", log, "-o", target).returncode == 0
    done = run_bpfrec("import", log, "-o", target)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"bpfrec: {target} exists")
    assert run_bpfrec("import", log, "-o", target, "--force").returncode == 0
    assert run_bpfrec("import", log, "-o", target, "--force", "--zone", "CET").returncode == 2

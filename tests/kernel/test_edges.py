"""The edges of calls and processes: workloads/edges.c does each with known counts of marking calls."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import WORKLOADS, Recorder, Waiting, cannot_run, line_of, record_command, rows

Programs = Callable[..., Path]
Row = tuple[object, ...]
RENAMES = 300
MARKS = "('getppid', 'getuid', 'getgid', 'getpgrp')"


@pytest.fixture
def edge(programs: Programs, tmp_path: Path) -> Callable[..., Path]:
    """Records one edge; the trace."""

    def record(name: str, status: int = 0) -> Path:
        output = tmp_path / "trace.bpfrec"
        done = record_command(output, programs("edges"), name, options=["--stacks", "off"])
        assert done.returncode == status, done.stderr
        assert rows(output, "SELECT * FROM losses") == []
        return output

    return record


def test_vfork_and_exec(edge: Callable[..., Path]) -> None:
    output = edge("vforks")
    executed = rows(
        output,
        "SELECT p.ppid = v.pid, v.ts_ns < e.ts_ns, p.cmdline, p.exit_code, arg_min(c.syscall, c.ts_ns),"
        " arg_max(c.syscall, c.ts_ns) FROM processes p JOIN syscalls c USING (pid) JOIN execs e ON e.pid = p.pid"
        " JOIN syscalls v ON v.syscall = 'vfork' AND v.ret = p.pid GROUP BY p.pid, 1, 2, 3, 4",
    )
    assert executed == [(True, True, "true", 0, "execve", "exit_group")] * 50
    assert rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'vfork' AND duration_ns IS NULL") == [(0,)]


def test_a_thread_executes_a_program_while_others_wait(edge: Callable[..., Path]) -> None:
    output = edge("thread-executes", 4)
    [(pid,)] = rows(output, "SELECT pid FROM processes")
    marks = f"SELECT syscall, tid = pid, count(*) FROM syscalls WHERE syscall IN {MARKS} GROUP BY ALL ORDER BY 3"
    assert rows(output, marks) == [("getppid", True, 3), ("getuid", True, 11)]
    [(caller, ret, argv)] = rows(output, "SELECT tid, ret, argv FROM execs WHERE comm = 'edges'")
    assert ret == 0
    assert str(argv).endswith("edges executed")
    assert caller != pid
    ends = "SELECT syscall, count(*), count(DISTINCT tid), max(errno) FROM syscalls"
    blocked = rows(output, f"{ends} WHERE syscall = 'read' AND arg0 = 3 AND errno = 'ERESTARTSYS' GROUP BY 1")
    assert blocked == [("read", 3, 3, "ERESTARTSYS")], "the three that waited were woken to die"
    assert rows(output, f"{ends} WHERE syscall = 'pause' GROUP BY 1") == [("pause", 1, 1, "ERESTARTNOHAND")]
    threads = rows(output, "SELECT count(DISTINCT tid), count(*) FILTER (end_ns IS NULL) FROM threads")
    assert threads == [(5, 0)]


def test_a_recorded_thread_that_executes_a_program_stays_recorded(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    script = (
        "import os, sys, threading\n"
        "def run():\n"
        "    print('ready', threading.get_native_id(), sep='\\n', flush=True)\n"
        "    input()\n"
        "    os.execv(sys.executable, [sys.executable, '-c', 'import os; [os.getppid() for _ in range(17)]'])\n"
        "threading.Thread(target=run).start()\n"
        "while True: os.getuid(); threading.Event().wait(0.01)"
    )
    process = Waiting([sys.executable, "-c", script])
    tid = line_of(process.process.stdout)
    recorder = Recorder(output, "-t", tid, "-e", "getppid,getuid,execve")
    process.go()
    recorder.wait()
    found = rows(output, "SELECT syscall, tid, count(*) FROM syscalls GROUP BY ALL ORDER BY 3")
    assert found == [("execve", int(tid), 1), ("getppid", process.pid, 17)]


def test_killed_in_a_call_and_left_by_exit_group(edge: Callable[..., Path]) -> None:
    output = edge("killed")
    found = rows(
        output,
        "SELECT signal, exit_code,"
        " count(DISTINCT tid) FILTER (syscall = 'read' AND errno = 'ERESTARTSYS' AND arg0 = 3),"
        " count(*) FILTER (syscall = 'getuid'), count(*) FILTER (syscall = 'getgid'),"
        " count(*) FILTER (syscall = 'exit_group' AND unfinished = 'thread-exited'),"
        " count(*) FILTER (unfinished IS NOT NULL)"
        " FROM syscalls JOIN processes USING (pid) WHERE start_ns IS NOT NULL GROUP BY ALL ORDER BY signal",
    )
    assert found == [(9, None, 3, 4, 0, 0, 0), (None, 6, 2, 0, 6, 1, 1)]


def test_one_pid_twice(edge: Callable[..., Path]) -> None:
    output = edge("same-id")
    query = "SELECT pid, comm, exit_code, start_ns, end_ns FROM processes WHERE start_ns IS NOT NULL ORDER BY start_ns"
    lives = rows(output, query)
    assert len({pid for pid, *_ in lives}) == 1
    assert [row[1:3] for row in lives] == [("first", 10), ("second", 11)]
    marks = rows(
        output,
        f"SELECT syscall, comm, count(*) FROM syscalls WHERE syscall IN {MARKS} GROUP BY ALL ORDER BY min(ts_ns)",
    )
    assert marks == [
        ("getuid", "edges", 5),
        ("getuid", "first", 100),
        ("getgid", "edges", 6),
        ("getgid", "second", 101),
    ]
    [first, second] = lives
    for (_, name, _, start, end), call in ((first, "getuid"), (second, "getgid")):
        outside = f"SELECT count(*) FROM syscalls WHERE syscall = '{call}' AND ts_ns NOT BETWEEN {start} AND {end}"
        assert rows(output, outside) == [(0,)], name


@pytest.mark.parametrize("how", [["-p", "{pid}"], ["-t", "{pid}"], ["-p", "{pid}", "-p", "1"], ["-p", "{pid}", "-f"]])
def test_another_process_that_gets_the_id_is_not_recorded(programs: Programs, tmp_path: Path, how: list[str]) -> None:
    output = tmp_path / "trace.bpfrec"
    parent = Waiting([programs("edges"), "same-id", "wait"])
    pid = line_of(parent.process.stdout)
    recorder = Recorder(output, *(word.format(pid=pid) for word in how), "-e", "getuid,getgid")
    parent.go()
    if "1" in how:
        recorder.stop()
    else:
        recorder.wait()
    found = rows(output, f"SELECT pid, syscall, comm, count(*) FROM syscalls WHERE pid = {pid} GROUP BY ALL ORDER BY 4")
    assert found == [(int(pid), "getuid", "edges", 5), (int(pid), "getuid", "first", 100)]
    lives = rows(output, f"SELECT comm, exit_code FROM processes WHERE pid = {pid}")
    assert lives == [("first", 10)]


def test_names_change_exactly_where_they_are_changed(edge: Callable[..., Path]) -> None:
    output = edge("renames")
    calls = "FROM syscalls WHERE syscall ="
    closed = rows(output, f"SELECT comm, arg0, count(*) {calls} 'close' AND arg0 >= 1000 GROUP BY ALL")
    assert sorted(closed) == sorted(
        (f"t{thread}-{i}", 1000 * (thread + 1) + i, 2) for thread in range(3) for i in range(RENAMES)
    )
    renamings = rows(output, f"SELECT tid, list(comm ORDER BY ts_ns) {calls} 'prctl' GROUP BY tid")
    names = [["edges", *(f"t{thread}-{i}" for i in range(RENAMES - 1))] for thread in range(3)]
    assert sorted(names for _, names in renamings) == names, "prctl is entered under the old name"
    waits = rows(output, f"SELECT list(comm ORDER BY ts_ns) {calls} 'read' AND arg0 = 3 AND tid <> pid")
    assert waits == [(["edges", *(f"other-{i}" for i in range(9))],)], "renamed by another while it waits"
    marks = rows(output, f"SELECT list(comm ORDER BY ts_ns) {calls} 'getuid'")
    assert marks == [([f"other-{i // 2}" for i in range(20)],)]


def test_interrupted_and_restarted_calls(edge: Callable[..., Path]) -> None:
    output = edge("interrupted")
    found = rows(
        output,
        "SELECT syscall, coalesce(errno, ret::VARCHAR) FROM syscalls JOIN processes USING (pid)"
        " WHERE start_ns IS NOT NULL AND syscall NOT IN ('set_robust_list', 'rt_sigaction') ORDER BY ts_ns",
    )
    handler = [("getpgrp", next(value for call, value in found if call == "getpgrp"))] * 3
    assert found == [
        ("nanosleep", "ERESTART_RESTARTBLOCK"),  # stopped and continued
        ("restart_syscall", "0"),
        ("read", "EINTR"),  # no SA_RESTART
        *handler,
        ("rt_sigreturn", "-4"),  # what read returned: rt_sigreturn itself cannot fail
        ("poll", "EINTR"),  # is never repeated behind a handler
        *handler,
        ("rt_sigreturn", "-4"),
        ("read", "ERESTARTSYS"),  # SA_RESTART: it is called again
        *handler,
        ("rt_sigreturn", "0"),
        ("read", "1"),
        ("exit_group", None),
    ]


def build_32_bit(name: str, folder: Path, expected: int) -> Path:
    """A workload of 32-bit assembly; the test is skipped where it does not run."""
    program = folder / name
    command = ["gcc", "-m32", "-nostdlib", "-static", str(WORKLOADS / f"{name}.S"), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode or subprocess.run([program], check=False).returncode != expected:
        cannot_run(f"32-bit programs do not build or do not run here: {built.stderr}")
    return program


def test_arguments_of_a_32_bit_program_are_those_that_the_kernel_reads(tmp_path: Path) -> None:
    program, output = build_32_bit("compat_arguments", tmp_path, 0), tmp_path / "trace.bpfrec"
    assert record_command(output, program).returncode == 0
    query = "SELECT syscall, arg0, arg1, arg2, arg3, arg4, arg5 FROM syscalls WHERE abi = 'i386' ORDER BY event_id"
    assert rows(output, query) == [
        ("mmap", 901, None, None, None, None, None),
        ("select", 901, None, None, None, None, None),
        ("pread64", 901, 902, 3, 904, 905, None),
        ("pwrite64", 901, 902, 3, 904, 905, None),
        ("readahead", 901, 902, 3, 904, None, None),
        ("fadvise64", 901, 902, 3, 904, 905, None),
        ("sync_file_range", 901, 902, 3, 904, 905, 906),
        ("fallocate", 901, 902, 3, 904, 905, 906),
        ("exit", 0, None, None, None, None, None),
    ]


def test_a_32_bit_program(tmp_path: Path) -> None:
    program = build_32_bit("compat", tmp_path, 5)
    output = tmp_path / "trace.bpfrec"
    assert record_command(output, program).returncode == 5
    found = rows(
        output,
        "SELECT abi, syscall, nr, path, errno, unfinished, count(*) FROM syscalls GROUP BY ALL ORDER BY min(ts_ns)",
    )
    assert found == [
        ("x86_64", "execve", 59, str(program), None, None, 1),
        ("i386", "open", 5, "/nowhere/compat", "ENOENT", None, 7),
        ("i386", "getppid", 64, None, None, None, 9),
        ("i386", "exit_group", 252, None, None, "thread-exited", 1),
    ]
    assert rows(output, "SELECT comm, exit_code FROM processes") == [("compat", 5)]

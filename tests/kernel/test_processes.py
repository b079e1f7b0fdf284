"""Processes that live for a millisecond are all there, with what they executed and their first and last calls."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from support.live import record_command, rows

import bpfrec
from bpfrec.bpf import btf, program_cache
from bpfrec.bpf.program import load_program
from bpfrec.bpf.selection import Selection
from bpfrec.formats.errors import BpfrecError

PROCESSES = 1000


def test_a_command_that_starts_many_short_processes(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    script = f"i=0; while [ $i -lt {PROCESSES} ]; do /bin/true $i 'a b'; i=$((i+1)); done"
    done = record_command(output, "/bin/sh", "-c", script, options=["--stacks", "off"])
    assert done.returncode == 0, done.stderr
    query = (
        "SELECT cmdline, exe LIKE '%/true', exit_code, signal, start_ns < end_ns"
        " FROM processes WHERE comm = 'true' ORDER BY start_ns"
    )
    assert rows(output, query) == [(f"/bin/true {n} 'a b'", True, 0, None, True) for n in range(PROCESSES)]
    calls = (
        "SELECT arg_min(syscall, ts_ns), arg_max(syscall, ts_ns), count(*) FILTER (syscall = 'exit_group')"
        " FROM syscalls WHERE pid IN (SELECT pid FROM processes WHERE comm = 'true') GROUP BY pid"
    )
    for first, last, exits in rows(output, calls):
        # What a child does before its execve, under the shell's name, depends on the shell.
        assert first in ("execve", "rt_sigprocmask", "set_robust_list", "rt_sigaction", "close", "getpid"), first
        assert (last, exits) == ("exit_group", 1)
    assert rows(output, "SELECT count(*) FROM losses") == [(0,)]


def test_the_tree_says_how_each_process_ended(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    script = "/bin/sh -c 'kill -9 $$' 2>/dev/null & sleep 0.1; wait $!; /bin/sh -c '/bin/true; exit 4'; exit 3"
    done = record_command(output, "/bin/sh", "-c", script)
    assert done.returncode == 3, done.stderr
    with bpfrec.open(output) as trace:
        found = [
            (r["depth"], r["cmdline"].split()[0], r["exit_code"], r["signal"])
            for r in trace.report("processes").dicts()
        ]
    assert found == [
        (0, "/bin/sh", 3, None),
        (1, "/bin/sh", None, 9),  # its parent waits for it when it is gone
        (1, "sleep", 0, None),
        (1, "/bin/sh", 4, None),
        (2, "/bin/true", 0, None),
    ]


def test_how_processes_ended_is_known_without_their_calls(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    script = "/bin/sh -c 'exit 7'; /bin/sh -c 'kill -11 $$'; /bin/true; exit 5"
    done = record_command(output, "/bin/sh", "-c", script, options=["-e", "execve"])
    assert done.returncode == 5, done.stderr
    found = rows(output, "SELECT exit_code, signal FROM processes ORDER BY start_ns NULLS FIRST")
    assert found == [(5, None), (7, None), (None, 11), (0, None)]


def test_the_last_of_the_threads_to_leave_gives_the_status(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    script = (
        "import ctypes, os, threading, time\n"
        "def leave_later():\n"
        "    while ') Z' not in open(f'/proc/{os.getpid()}/stat').read(): time.sleep(0.01)\n"
        "    os._exit(4)\n"
        "threading.Thread(target=leave_later).start()\n"
        "ctypes.CDLL(None).syscall(60, 9)"  # exit(9) of the main thread alone
    )
    done = record_command(output, sys.executable, "-c", script)
    assert done.returncode == 4, done.stderr
    assert rows(output, "SELECT exit_code, signal FROM processes") == [(4, None)]


def test_programs_executed_one_after_the_other(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    script = "exec /bin/nothing; exec /bin/sh -c 'exec /bin/true 1 2'"
    done = record_command(output, "/bin/bash", "-O", "execfail", "-c", script)
    assert done.returncode == 0, done.stderr
    [(pid,)] = rows(output, "SELECT pid FROM processes")
    recorder = Path(sys.executable).name
    assert rows(output, "SELECT pid, path, argv, comm, errno FROM execs ORDER BY ts_ns") == [
        (pid, "/bin/bash", f"/bin/bash -O execfail -c {shlex.quote(script)}", recorder, None),
        (pid, "/bin/nothing", "/bin/nothing", "bash", "ENOENT"),
        (pid, "/bin/sh", "/bin/sh -c 'exec /bin/true 1 2'", "bash", None),
        (pid, "/bin/true", "/bin/true 1 2", "sh", None),
    ]
    names = rows(output, "SELECT comm FROM threads ORDER BY start_ns NULLS FIRST")
    assert names == [(recorder,), ("bash",), ("sh",), ("true",)]
    with bpfrec.open(output) as trace:
        [process] = trace.report("processes").dicts()
    assert [program["argv"].split()[0] for program in process["execs"]] == ["/bin/bash", "/bin/sh", "/bin/true"]


def test_the_user_of_a_process_is_the_one_it_was_born_with(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    start = "os.fork() or os._exit(0); os.wait()"
    script = f"import os; {start}; os.setuid(4294967294); {start}"
    done = record_command(output, sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    with bpfrec.open(output) as trace:
        assert [row["uid"] for row in trace.report("processes").dicts()] == [0, 0, 4294967294]


def test_without_type_information_less_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(btf, "VMLINUX", tmp_path / "none")
    monkeypatch.setenv(program_cache.VARIABLE, "off")
    for selection in (Selection(tgids=frozenset({1})), Selection(tgids=frozenset({1, 2})), Selection(uid=0)):
        program = load_program(selection)
        program.close()
        assert not program.knows_ends
    with pytest.raises(BpfrecError, match="following children"):
        load_program(Selection(tgids=frozenset({1}), follow=True))

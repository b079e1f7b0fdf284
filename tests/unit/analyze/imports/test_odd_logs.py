"""Logs that no strace wrote: whatever stands in one, it is read to its end, and what is not understood is kept."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpfrec
from bpfrec.analyze.imports.strace_clock import LogClock
from bpfrec.analyze.imports.strace_import import import_strace
from bpfrec.analyze.imports.strace_log import StraceLog

LOG = (Path(__file__).parents[3] / "cli" / "strace.log").read_text()
LINES = (
    *LOG.splitlines(),
    '[pid 12] 10:00:00.000001 openat(AT_FDCWD</tmp>, "a", O_RDONLY) = 3</tmp/a> <0.000010>',
    "12 1795879786.504248 rt_sigprocmask(SIG_BLOCK, [CHLD RT_1], ~[RTMIN], 8) = 0",
    "12 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 7}], 0, NULL) = 14",
    "12 +++ exited with 7 +++",
    "12 +++ superseded by execve in pid 13 +++",
    "strace: [ Process PID=14 runs in 32 bit mode. ]",
    "syscall_0x1c1(0x1, 0x2) = 0x3",
    "12 mmap(NULL, 1<<12, PROT_READ|0x8, MAP_PRIVATE|MAP_ANONYMOUS, -1, 4*1024) = 0x7f0000000000",
    " > /usr/lib/libc.so.6(read+0x1c) [0x11ba5c]",
    " > main (/tmp/a.c:12) [0x1139]",
)
NUMBER = re.compile(r"(?:0x)?[0-9a-f]*[0-9][0-9a-f]*")
ODD = ("²", "٣", "9" * 5000, "0x" + "f" * 40, "08", "-1", "0", "~" * 3000 + "1", "1<<" * 3000 + "1", "9*" * 3000 + "9")


def read(lines: list[str]) -> StraceLog:
    log = StraceLog(LogClock(datetime.date(2026, 11, 28), 0, 0))
    for _ in log.batches((None, line) for line in lines):
        pass
    return log


@pytest.mark.grid
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:6])
def test_a_number_that_is_none_is_not_understood(tmp_path: Path, odd: str) -> None:
    lines = [line[: m.start()] + odd + line[m.end() :] for line in LINES for m in NUMBER.finditer(line)]
    log = tmp_path / "odd.log"
    log.write_text("\n".join([*lines, LINES[0]]) + "\n")
    made = import_strace([log], tmp_path / "t.bpfrec", day=None, utc_offset_s=0, command_line=[], host="h")
    assert made.calls > 0
    assert made.lines == len(lines) + 1
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        assert trace.query("SELECT count(*) FROM syscalls").rows == [(made.calls,)]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_spoiled_lines_are_read(data: st.DataObject) -> None:
    lines = []
    for line in data.draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=6)):
        at = data.draw(st.integers(0, len(line)))
        wrong = data.draw(st.text(st.sampled_from('"\\{[(<>)]}|~*=,-x0 9²\n'), max_size=6))
        lines.append(line[:at] + wrong + line[at + data.draw(st.integers(0, 4)) :])
    log = read(lines)
    assert log.counts.lines == len(lines)


WHOLE = """\
50 1.000000 execve("/bin/sup", ["sup"], 0x7ffd /* 3 vars */) = 0 <0.000300>
50 1.001000 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 51 <0.000057>
50 1.002000 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 52 <0.000057>
51 1.003000 pause( <unfinished ...>
52 1.004000 prctl(PR_SET_NAME, "worker") = 0 <0.000010>
50 1.005000 futex(0x10, FUTEX_WAIT, 52, NULL <unfinished ...>
52 1.006000 execve("/bin/true", ["true"], 0x7ffd /* 3 vars */ <unfinished ...>
50 1.007000 <... futex resumed>) = ?
51 1.007100 <... pause resumed>) = ?
51 1.007200 +++ exited with 0 +++
50 1.008000 +++ superseded by execve in pid 52 +++
50 1.008100 <... execve resumed>) = 0 <0.002050>
50 1.009000 exit_group(0) = ?
50 1.010000 +++ exited with 0 +++
"""


@pytest.mark.parametrize("in_files", [False, True], ids=["one file", "a file each"])
def test_a_thread_that_executes_a_program_takes_the_place_of_its_process(tmp_path: Path, in_files: bool) -> None:
    logs = [tmp_path / "log"]
    # A pid of nine digits and more at the beginning of a line is a time.
    text = re.sub(r"(?m)^(\d+) 1\.", r"\1 1795894689.", WHOLE)
    if in_files:
        logs = [tmp_path / f"log.{pid}" for pid in (50, 51, 52)]
        for pid, log in zip((50, 51, 52), logs, strict=True):
            lines = re.findall(rf"(?m)^{pid} (.*\n)", text)
            log.write_text("".join(lines).replace("vars */ <unfinished ...>", "vars */ <pid changed to 50 ...>"))
    else:
        logs[0].write_text(text)
    import_strace(logs, tmp_path / "t.bpfrec", day=None, utc_offset_s=0, command_line=[], host="h")
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        calls = trace.query(
            "SELECT pid, tid, comm, syscall, ret, unfinished FROM syscalls WHERE syscall NOT IN ('clone3', 'prctl') "
            "ORDER BY ts_ns"
        ).rows
        # As bpfrec records it: the execve has the thread id that it gave the thread.
        assert calls == [
            (50, 50, None, "execve", 0, None),
            (50, 51, "sup", "pause", None, "thread-exited"),
            (50, 50, "sup", "futex", None, "thread-exited"),
            (50, 50, "worker", "execve", 0, None),
            (50, 50, "true", "exit_group", None, "thread-exited"),
        ]
        assert trace.query("SELECT pid, comm, exe FROM processes").rows == [(50, "true", "/bin/true")]
        lives = trace.query("SELECT tid, comm, end_ns < start_ns FROM threads WHERE comm IS NOT NULL ORDER BY ALL").rows
        assert [life[:2] for life in lives] == [
            (50, "sup"),
            (50, "true"),
            (50, "worker"),
            (51, "sup"),
            (52, "sup"),
            (52, "worker"),
        ]
        assert not any(backwards for _, _, backwards in lives)
        assert trace.query("SELECT count(*) FROM log_lines").rows == [(0,)]


def test_bytes_that_are_not_utf_8_are_escaped_wherever_they_stand(tmp_path: Path) -> None:
    """Found by fuzzing: they were a traceback."""
    log = tmp_path / "odd.log"
    log.write_bytes(
        b'12 openat(AT_FDCWD</tmp/\xff>, "a\xff", O_RDONLY) = -1 E\xff (x\xff)\n > /lib/\xff(f\xff+0x1) [0x2]\n'
        b'12<c\xff> connect(3, {sa_family=AF_UNIX, sun_path="s\xff"}, 9) = -1 ENOENT\xff (No)\n'
    )
    import_strace([log], tmp_path / "t.bpfrec", day=None, utc_offset_s=0, command_line=[], host="h")
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        errnos = trace.query("SELECT errno, path, comm FROM syscalls ORDER BY event_id").rows
        frames = trace.query("SELECT symbol, module FROM frames").rows
    assert [row[:2] for row in errnos] == [("E\\xff", "a\\xff"), ("ENOENT\\xff", None)]
    assert errnos[1][2] == "c\\xff"
    assert frames == [("f\\xff", "/lib/\\xff")]

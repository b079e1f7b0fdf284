"""Signals live: those that strace tells of, with the same words."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.live import PATIENCE, record_command, rows
from support.program import run_bpfrec

Programs = Callable[..., Path]


def alike(text: str) -> str:
    """A signal's text with ids and addresses of the program left out: they differ between runs."""
    return re.sub(r"si_pid=\d+|si_addr=0x[0-9a-f]{9,}|si_[us]time=\d+", lambda found: found[0].partition("=")[0], text)


def test_strace_tells_of_the_same_signals(tmp_path: Path, programs: Programs) -> None:
    program, output, log = programs("signalled"), tmp_path / "trace.bpfrec", tmp_path / "strace.log"
    done = record_command(output, program)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    subprocess.run(["strace", "-f", "-o", log, program], timeout=PATIENCE, check=False)
    told = sorted(alike(line.split(maxsplit=1)[1]) for line in log.read_text().splitlines() if " --- " in line)
    recorded = rows(output, "SELECT text FROM signals")
    assert sorted(alike(str(text)) for (text,) in recorded) == told
    assert len(told) == 12
    assert rows(output, "SELECT count(*) FROM losses") == [(0,)]
    sent = rows(output, "SELECT DISTINCT sender_pid = pid, uid, sender_uid, action FROM signals WHERE name = 'SIGUSR1'")
    assert sent == [(True, 0, 0, "handler")]
    killed = "FROM signals AS s JOIN processes AS p USING (pid) WHERE p.signal = s.signal AND ts_ns <= end_ns"
    assert rows(output, f"SELECT count(*) {killed}") == [(2,)], "both that ended by a signal"
    lines = run_bpfrec("analyze", "-i", output, "report", "calls").stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "--- SIGUSR1" in line)
    assert " kill(" in lines[at - 1]
    assert " rt_sigreturn(" in lines[at + 1]
    assert "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=" in lines[-1]

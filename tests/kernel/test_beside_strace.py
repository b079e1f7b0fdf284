"""The same deterministic program once under strace and once under bpfrec: the same calls, in the same order."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from live import PATIENCE, record_command, rows

LINE = re.compile(r'^\d+ +(\w+)\((?:[^"]*?"((?:[^"\\]|\\.)*)")?')

Told = list[tuple[str, str | None]]


def strace(folder: Path, command: list[str]) -> Told:
    """Calls with their first path argument, as strace tells them."""
    output = folder / "strace.txt"
    done = subprocess.run(
        ["strace", "-f", "-qq", "-s", "5000", "-o", output, *command],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: Told = []
    for line in output.read_text().splitlines():
        match = LINE.match(line)
        if match:
            told.append((match[1], match[2]))
    return told


COMMANDS = {
    "find": ["find", "/usr/share/misc", "-name", "*.x"],
    "tar": ["tar", "cf", "/dev/null", "/usr/share/misc"],
    "cat": ["cat", "/etc/hostname"],
    "python": ["/usr/bin/python3", "-I", "-S", "-c", "import os; os.stat('/'); os.access('/nonexistent', 4)"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_calls_and_paths_in_the_same_order(tmp_path: Path, name: str) -> None:
    if shutil.which("strace") is None:
        pytest.fail("strace is not installed: apt-get install strace")
    command = COMMANDS[name]
    judged = strace(tmp_path, command)
    done = record_command(tmp_path / "trace.bpfrec", *command)
    assert done.returncode == 0, done.stderr
    ours = rows(tmp_path / "trace.bpfrec", "SELECT syscall, path FROM syscalls ORDER BY ts_ns")
    assert [call for call, _ in ours] == [call for call, _ in judged]
    with_path = [(call, path) for call, path in ours if path is not None and call in {"openat", "newfstatat", "access"}]
    assert with_path == [(call, path) for call, path in judged if call in {"openat", "newfstatat", "access"}]

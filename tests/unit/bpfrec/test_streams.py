"""bpfrec/streams.py: a program started without standard streams, or without their readers, still does its work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLOSED = """
import os, sys
from bpfrec.bpf.quiet import quiet
from bpfrec.streams import open_standard_streams
for number in map(int, sys.argv[2:]):
    os.close(number)
open_standard_streams()
sys.stderr.write("")
with quiet() as output:
    os.write(1, b"out ")
    os.write(2, b"err")
opened = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(opened, f"{opened > 2} {output.text()}".encode())
"""


@pytest.mark.parametrize("closed", [[], ["2"], ["1"], ["0", "1", "2"]])
def test_closed_descriptors_do_not_become_those_of_files(tmp_path: Path, closed: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED, tmp_path / "file", *closed], check=False, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == "True out err"


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [
        ("--version", "<&-", 0),
        ("--version", ">&-", 0),
        ("--version", "2>&-", 0),
        ("analyze -i /nonexistent info", "2>&-", 1),
        ("analyze -i /nonexistent info", ">&- 2>&-", 1),
        ("record", "2>&-", 2),
    ],
)
def test_the_exit_status_is_the_same_without_streams(arguments: str, closed: str, code: int) -> None:
    script = f'"$0" -m bpfrec {arguments} {closed}'
    done = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"), [("analyze -i /nonexistent info", 1), ("record", 2), ("record -p 1 -t 1 -a", 2)]
)
def test_the_exit_status_is_the_same_when_nobody_reads_standard_error(arguments: str, code: int) -> None:
    script = f'exec 3>&1; {{ "$0" -m bpfrec {arguments} 2>&1 >/dev/null; echo $? >&3; }} | true'
    done = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == [str(code)]
    assert "Traceback" not in done.stderr

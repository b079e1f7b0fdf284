"""`bpfrec analyze` ends by itself when a signal asks it to, and leaves nothing in the temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLOW = "SELECT count(*) FROM syscalls, range(100_000) AS a, range(100_000) AS b WHERE a.range * b.range % 7 = arg0"


@pytest.mark.parametrize(("number", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_signal_ends_a_query_and_its_copies(lab1_trace: Path, tmp_path: Path, number: str, status: int) -> None:
    command = [sys.executable, "-m", "bpfrec", "analyze", "-i", str(lab1_trace), "sql", SLOW]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
        copy = wait_for(tmp_path, "bpfrec-*/syscalls.parquet")
        assert copy is not None, asking.stderr.read() if asking.stderr else ""
        time.sleep(0.5)
        asking.send_signal(getattr(signal, number))
        assert asking.wait(30) == status
    assert list(tmp_path.iterdir()) == []


def wait_for(folder: Path, pattern: str) -> Path | None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = next(folder.glob(pattern), None)
        if found is not None:
            return found
        time.sleep(0.05)
    return None

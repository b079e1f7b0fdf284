"""`bpfrec analyze` ends by itself when a signal asks it to, and leaves nothing in the temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "sample_traces" / "lab1-server.bpfrec"

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


INTERRUPTED = """
import os, signal, sys
import bpfrec.bpf.permission
bpfrec.bpf.permission.check_permission = lambda: None
signal.signal(signal.SIGINT, signal.default_int_handler)
from bpfrec.__main__ import main
main()
"""
# As C extensions do: whatever is raised while they are imported becomes an ImportError.
SLOW_MODULE = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    import time
    time.sleep(30)
except BaseException as error:
    raise ImportError("it failed to import") from error
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("click", ["--version"]), ("secrets", ["record", "-a"]), ("duckdb", ["analyze", "info", str(SAMPLE)])],
)
def test_ctrl_c_during_imports_prints_no_traceback(tmp_path: Path, module: str, arguments: list[str]) -> None:
    (tmp_path / f"{module}.py").write_text(SLOW_MODULE)
    command = [sys.executable, "-c", INTERRUPTED, *arguments]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")

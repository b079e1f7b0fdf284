"""pid namespaces: the host's ids, with the namespace's beside them; and a recorder that is in one itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.live import PATIENCE, Recorder, Waiting, record_command, rows

SHORT = 200


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "trace.bpfrec"


def test_ids_in_a_new_namespace(output: Path) -> None:
    script = f"i=0; while [ $i -lt {SHORT} ]; do /bin/true; i=$((i+1)); done; exit 3"
    done = record_command(output, "unshare", "-pf", "--mount-proc", "sh", "-c", script, options=["--stacks", "off"])
    assert done.returncode == 3, done.stderr
    own = Path("/proc/self/ns/pid").stat().st_ino
    found = rows(output, "SELECT comm, ns_pid, ns_pid = pid, pid_ns FROM processes ORDER BY start_ns NULLS FIRST")
    assert found[0] == ("unshare", found[0][1], True, own)
    inner = found[1][3]
    assert inner != own
    expected = [("sh", 1, False, inner), *(("true", n, False, inner) for n in range(2, SHORT + 2))]
    assert found[1:] == expected, "those that live for a millisecond too"


def test_ids_of_a_process_that_was_there(output: Path) -> None:
    script = "import os; print('ready', flush=True); input(); os.getppid(); os.fork() or os._exit(0); os.wait()"
    inner = Waiting(["unshare", "-pf", "--mount-proc", sys.executable, "-c", script])
    [child] = Path(f"/proc/{inner.pid}/task/{inner.pid}/children").read_text().split()
    recorder = Recorder(output, "-p", child, "--follow")
    inner.go()
    recorder.wait()
    namespace = rows(output, "SELECT DISTINCT pid_ns FROM processes")
    assert namespace not in ([(None,)], [(Path("/proc/self/ns/pid").stat().st_ino,)])
    assert rows(output, f"SELECT ns_pid, pid = {child} FROM processes ORDER BY ns_pid") == [(1, True), (2, False)]


def test_outside_of_any_the_ids_are_the_same(output: Path, tmp_path: Path) -> None:
    program = shutil.copy("/bin/true", tmp_path / "not-another")
    recorder = Recorder(output, "-u", str(os.getuid()), "-e", "execve")
    for _ in range(3):
        subprocess.run([program], check=True)
    recorder.stop()
    assert rows(output, "SELECT ns_pid = pid FROM processes WHERE comm = 'not-another'") == [(True,)] * 3


def test_a_recorder_in_a_namespace_says_what_is_wrong(output: Path) -> None:
    command = ["unshare", "-pf", "--mount-proc", sys.executable, "-m", "bpfrec", "record", "-o", output, "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 125, done.stderr
    assert "pid namespace" in done.stderr
    assert "--pid=host" in done.stderr
    assert not output.exists()

"""A recorder that is killed costs its command nothing, and ``bpfrec recover`` makes a trace of what it had recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import PATIENCE, TIMES, Recorder, Waiting, line_of, rows, started


def recover(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bpfrec", "recover", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def until_marked(folder: Path, marks: int) -> None:
    """Waits until the journal of the recording in ``folder`` has ``marks`` more marks than now."""
    (journal,) = folder.glob(".*/journal.spool")
    wanted = journal.read_text().count('{"Mark":') + marks
    limit = time.monotonic() + PATIENCE
    while journal.read_text().count('{"Mark":') < wanted:
        assert time.monotonic() < limit, "no segment was closed"
        time.sleep(0.1)


@pytest.mark.parametrize("stacks", ["full", "off"])
def test_all_calls_up_to_the_last_mark_are_recovered(
    tmp_path: Path, programs: Callable[..., Path], stacks: str
) -> None:
    (tmp_path / "existing").write_text("0123456789")
    known = Waiting([programs("known"), tmp_path, "wait"])
    # The recording goes on when the other one has ended.
    other = subprocess.Popen(["sleep", str(2 * PATIENCE)], text=True)
    started.append(other)
    output = tmp_path / "t.bpfrec"
    options = ["--stacks", stacks, "-e", "openat,read"]
    recorder = Recorder(output, "-p", str(known.pid), "-p", str(other.pid), *options)
    known.process.stdin.write("go\n")  # type: ignore[union-attr]
    known.process.stdin.flush()  # type: ignore[union-attr]
    assert known.process.wait(PATIENCE) == 0
    until_marked(tmp_path, 2)
    recorder.process.kill()
    recorder.process.wait()
    listed = json.loads(recover(tmp_path, "--list", "--format", "json").stdout)
    assert [row["state"] for row in listed if row["target"] == str(output)] == ["not finished"]
    done = recover(output)
    assert done.returncode == 0, done.stderr
    counted = rows(output, "SELECT syscall, count(*) FROM syscalls WHERE path LIKE '%/missing' GROUP BY 1")
    assert counted == [("openat", TIMES)]
    assert rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'read' AND ret = 7") == [(TIMES,)]
    assert rows(output, "SELECT finished FROM recording") == [(False,)]
    assert rows(output, "SELECT kind FROM losses") == [("recorder-killed",)]
    if stacks == "full":
        missing = "SELECT stack_id FROM syscalls WHERE path LIKE '%/missing'"
        found = rows(output, f"SELECT count(*) FROM frames WHERE symbol = 'main' AND stack_id IN ({missing})")
        assert found[0][0] > 0
    assert not list(tmp_path.glob(".*.*")), "something stays behind"


def test_the_command_of_a_killed_recorder_goes_on(tmp_path: Path) -> None:
    output = tmp_path / "t.bpfrec"
    script = "print('READY', flush=True); input(); print('done', flush=True)"
    recorder = subprocess.Popen(
        [sys.executable, "-m", "bpfrec", "record", "-o", str(output), "--", sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    started.append(recorder)
    assert line_of(recorder.stdout) == "READY"
    until_marked(tmp_path, 1)
    recorder.kill()
    recorder.wait()
    assert recorder.stdin is not None
    recorder.stdin.write("go\n")
    recorder.stdin.flush()
    assert line_of(recorder.stdout) == "done"
    assert recover(output).returncode == 0
    command = json.loads(rows(output, "SELECT command FROM recording")[0][0])
    assert "killed" in command["outcome"]
    assert rows(output, "SELECT count(*) > 0 FROM execs") == [(True,)]


def test_nothing_of_a_killed_recorder_stays_in_the_kernel(tmp_path: Path, programs: Callable[..., Path]) -> None:
    known = Waiting([programs("known"), tmp_path, "wait"])
    recorder = Recorder(tmp_path / "t.bpfrec", "-p", str(known.pid))
    group = recorder.process.pid
    recorder.process.kill()
    recorder.process.wait()
    limit = time.monotonic() + PATIENCE
    # The recorder leads a session of its own: its helpers are in its process group.
    while _lives(group):
        assert time.monotonic() < limit, "a helper outlives the recorder"
        time.sleep(0.05)
    programs_now = subprocess.run(["bpftool", "prog", "-j"], capture_output=True, text=True, check=True).stdout
    pids = {pid["pid"] for program in json.loads(programs_now) for pid in program.get("pids", [])}
    assert group not in pids


def _lives(group: int) -> bool:
    """Whether a process of the group is alive; one that is dead and not yet waited for does not count."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] not in "ZX":
                return True
    return False

"""However a recording ends, its command ends as it would have without it, and no trace is lost in silence."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.live import PATIENCE, Recorder, line_of, record_command, rows, started
from support.users import NOBODY, as_nobody

GRACEFUL = """
import os, signal, sys, time
got = 0
def end(*_):
    global got
    got += 1
    if got == 2:
        print("FORCED", flush=True)
        os._exit(3)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print("READY", flush=True)
limit = time.monotonic() + 20
while not got and time.monotonic() < limit:
    time.sleep(0.05)
time.sleep(1)
print("drained", flush=True)
sys.exit(5)
"""


def recording(output: Path, *command: str) -> list[str]:
    return [sys.executable, "-m", "bpfrec", "record", "-o", str(output), "--stacks", "off", "--", *command]


def test_ctrl_c_at_a_terminal_reaches_a_graceful_command_once(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, recording(output, sys.executable, "-c", GRACEFUL))
    said = b""
    is_pressed = False
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                said += os.read(terminal, 4096)
            except OSError:
                break
        if b"READY" in said and not is_pressed:
            is_pressed = True
            os.write(terminal, b"\x03")
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert b"FORCED" not in said
    assert b"drained" in said
    assert code == 5, said
    assert rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'exit_group'") == [(1,)]


def test_timeout_reaches_a_graceful_command_once(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    process = subprocess.Popen(
        recording(output, sys.executable, "-c", GRACEFUL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    started.append(process)
    assert line_of(process.stdout) == "READY"
    # As timeout(1) does: first its child, then the group.
    process.terminate()
    os.killpg(process.pid, signal.SIGTERM)
    out, said = process.communicate(timeout=PATIENCE)
    assert out.split() == ["drained"], said
    assert process.returncode == 5
    assert rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'exit_group'") == [(1,)]


def assert_nothing_was_recorded(process: subprocess.Popen[str], ran: Path, output: Path) -> str:
    """Also that the signal is what ended it; what it wrote to standard error."""
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode in (130, -signal.SIGINT), said
    assert not ran.exists()
    assert not output.exists()
    return said


def test_a_signal_at_the_very_beginning_means_that_the_command_does_not_run(tmp_path: Path) -> None:
    output, ran = tmp_path / "trace.bpfrec", tmp_path / "ran"
    process = subprocess.Popen(
        recording(output, "touch", str(ran)),
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background inherits that it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no other thread runs
    )
    process.send_signal(signal.SIGINT)
    assert_nothing_was_recorded(process, ran, output)


SIGNAL_AT = """
import logging, os, signal, sys
class Signals(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith(STAGE):
            os.kill(os.getpid(), signal.SIGINT)
logging.getLogger("bpfrec").addHandler(Signals())
logging.getLogger("bpfrec").setLevel(logging.INFO)
signal.signal(signal.SIGINT, signal.default_int_handler)
from bpfrec.__main__ import main
main()
"""


@pytest.mark.parametrize("stage", ["defines", "loaded", "attached"])
def test_a_signal_before_recording_has_begun_means_that_the_command_does_not_run(tmp_path: Path, stage: str) -> None:
    output, ran = tmp_path / "trace.bpfrec", tmp_path / "ran"
    _, _, _, *arguments = recording(output, "touch", str(ran))
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNAL_AT.replace("STAGE", repr(stage)), *arguments], stderr=subprocess.PIPE, text=True
    )
    said = assert_nothing_was_recorded(process, ran, output)
    # The program is compiled while modules are imported; what says so is not there yet.
    assert stage == "defines" or "SIGINT came before recording had begun" in said
    assert "Traceback" not in said


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a file system of a size, such as ``256k``."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def make(size: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", folder], check=True)
        return folder

    yield make
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_recording_that_fills_the_disk_is_finished_as_far_as_it_goes(
    disk: Callable[[str], Path], tmp_path: Path
) -> None:
    output, ran = disk("6m") / "trace.bpfrec", tmp_path / "ran"
    script = f"import os\nfor i in range(400_000): os.getppid()\nopen({str(ran)!r}, 'w')\nraise SystemExit(7)"
    done = record_command(output, sys.executable, "-c", script, options=["--stacks", "off"])
    assert ran.exists(), done.stderr
    assert done.returncode == 7, done.stderr
    assert "goes on" in done.stderr
    [(recorded,)] = rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'getppid'")
    assert isinstance(recorded, int)
    assert 40_000 < recorded < 400_000, "a spool of 5 MB has room for about 80,000 calls"
    [(lost,)] = rows(output, "SELECT count FROM losses WHERE kind = 'spool-cut'")
    assert "spool-cut" in done.stderr
    assert isinstance(lost, int)
    assert lost > 0
    assert [path.name for path in output.parent.iterdir()] == ["trace.bpfrec"]


def test_a_finish_that_finds_no_room_costs_no_older_trace(disk: Callable[[str], Path]) -> None:
    """The command fills the disk: what the recorder had reserved, a tenth of it, does not hold the tables."""
    small = disk("128k")
    output, old = small / "trace.bpfrec", small / "trace.bpfrec.old"
    output.write_text("first")
    old.write_text("older")
    done = subprocess.run(
        [sys.executable, "-m", "bpfrec", "record", "--stacks", "off", "--", "sh", "-c", "cat /dev/zero > full; exit 7"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=small,
    )
    assert done.returncode == 125, done.stderr
    assert "No space left" in done.stderr
    assert "Make room there" in done.stderr
    assert (output.read_text(), old.read_text()) == ("first", "older")
    kept = [path for path in small.iterdir() if path.name.startswith(".trace")]
    assert [str(path) in done.stderr for path in kept] == [True] * ("is kept in" in done.stderr)
    assert not list(small.glob(".trace*/*.parquet"))


@pytest.mark.parametrize(
    "streams", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>&1 >/dev/null | true", "2>&1 >&- | head -1"]
)
def test_without_somebody_to_tell_the_command_runs_and_the_trace_is_written(tmp_path: Path, streams: str) -> None:
    output = tmp_path / "trace.bpfrec"
    command = f"\"$@\" -c 'touch {tmp_path}/ran; sleep 0.7; exit 7'"
    script = f"{{ {command}; echo $? >{tmp_path}/code; }} {streams}"
    if "|" not in streams:
        script = f"{command} {streams}; echo $? >{tmp_path}/code"
    done = subprocess.run(
        ["sh", "-c", script, "sh", *recording(output, "sh")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (tmp_path / "code").read_text() == "7\n", done.stderr
    assert (tmp_path / "ran").exists()
    assert rows(output, "SELECT count(*) > 0 FROM syscalls") == [(True,)]


def test_a_folder_of_somebody_else_is_no_way_to_roots_files(tmp_path: Path) -> None:
    """While root records there, its owner moves the working folder away and puts links to root's files in its place."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        users = Path(name)
        os.chown(users, NOBODY, NOBODY)
        recorder = Recorder(users / "trace.bpfrec", "-p", str(os.getpid()), "--stacks", "off")

        def attack() -> None:
            [folder] = [path for path in users.iterdir() if path.name.startswith(".trace")]
            folder.rename(users / "moved")
            folder.mkdir()
            for table in ("calls.spool", "syscalls.parquet", "losses.parquet", "trace.zip"):
                (folder / table).symlink_to(precious)

        assert as_nobody(attack), "nobody may do this in a folder of their own"
        recorder.stop()
        assert precious.read_text() == "precious", "root wrote through a link that a user had planted"
        assert rows(recorder.output, "SELECT count(*) > 0 FROM syscalls") == [(True,)]
        assert recorder.output.stat().st_uid == 0


def test_a_misspelt_name_is_told_at_once_and_at_the_end(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    done = subprocess.run(
        [sys.executable, "-m", "bpfrec", "record", "-o", tmp_path / "t", "-a", "--name", "slepe", "-d", "0.5"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    sleeper.kill()
    sleeper.wait()
    first, *_ = done.stderr.splitlines()
    assert "nothing is named slepe now" in first
    assert "sleep" in first.partition("did you mean")[2]
    assert "no process or thread was named slepe" in done.stderr


def test_a_command_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    done = record_command(tmp_path / "trace.bpfrec", "no-such-command")
    assert done.returncode == 127
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [("-d", "1", "-p"), ("-d", "0.1", "-p")])
def test_a_recording_ends_where_the_ends_of_children_are_ignored(tmp_path: Path, options: tuple[str, ...]) -> None:
    """As when a supervisor has started bpfrec with SIGCHLD ignored: the kernel then keeps no status of its helpers."""
    output = tmp_path / "trace.bpfrec"
    command = [sys.executable, "-m", "bpfrec", "record", "-o", str(output), *options, str(os.getpid())]
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", ignoring, *command], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert rows(output, "SELECT count(*) > 0, max(stopped) FROM recording") == [(True, "the time was up")]

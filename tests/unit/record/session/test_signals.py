"""record/session/signals.py and command.py: a command gets each signal once, and so does who waits for a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bpfrec.record.session.command import Command
from bpfrec.record.session.signals import StopSignals, Witness

COUNTING = """
import os, signal, sys, time
if "apart" in sys.argv:
    os.setpgid(0, 0)
got = []
signal.signal(signal.SIGTERM, lambda *_: got.append(time.monotonic()))
print("ready", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end and not (got and time.monotonic() - got[0] > 1):
    time.sleep(0.02)
print("got", len(got), flush=True)
"""
RECORDER = """
import os, sys
from bpfrec.record.session.command import Command
from bpfrec.record.session.signals import StopSignals
with StopSignals(with_quit=True) as signals:
    command = Command([sys.executable, "-c", sys.argv[1], *sys.argv[2:]], None, signals)
    command.child.release()
    print("recorder", os.getpid(), flush=True)
    command.wait()
    command.close()
print("received", len(signals.received), flush=True)
"""


@contextmanager
def recorder(*arguments: str, before: tuple[str, ...] = ()) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that waits for a command as a recorder does, in a group of its own; and its pid."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", RECORDER, COUNTING, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        lines = sorted([process.stdout.readline().split(), process.stdout.readline().split()])
        yield process, int(lines[1][1])
    finally:
        # The command is in the group, too, and holds the pipe open as long as it lives.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def result(process: subprocess.Popen[str]) -> dict[str, int]:
    out, _ = process.communicate(timeout=30)
    return {name: int(count) for name, count in (line.split() for line in out.splitlines())}


def test_a_signal_to_the_group_is_not_passed_on() -> None:
    with recorder() as (process, pid):
        os.killpg(os.getpgid(pid), signal.SIGTERM)
        assert result(process) == {"got": 1, "received": 1}, "a program that gives up at the second signal gave up"


def test_a_signal_to_the_recorder_alone_is_passed_on_once() -> None:
    with recorder() as (process, pid):
        os.kill(pid, signal.SIGTERM)
        assert result(process) == {"got": 1, "received": 1}, "a container's runtime signals the first process alone"


def test_a_signal_to_the_recorder_and_then_to_its_group_reaches_the_command_once() -> None:
    with recorder() as (process, pid):
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.02)
        os.killpg(os.getpgid(pid), signal.SIGTERM)
        assert result(process)["got"] == 1, "timeout(1) signals its child and then the group"


def test_a_command_in_a_group_of_its_own_gets_what_the_group_of_the_recorder_got() -> None:
    with recorder("apart") as (process, pid):
        os.killpg(os.getpgid(pid), signal.SIGTERM)
        assert result(process)["got"] == 1


def test_the_witness_ends_with_the_recorder() -> None:
    with recorder() as (process, pid):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        witness = next(c for c in children if Path(f"/proc/{c}/comm").read_text() == "bpfrec-signals\n")
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{witness}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not Path(f"/proc/{witness}").exists()


def test_what_the_witness_saw() -> None:
    witness = Witness((signal.SIGUSR1,))
    try:
        begin = time.monotonic()
        assert not witness.saw(signal.SIGUSR1, begin)
        os.kill(witness._pid, signal.SIGUSR1)
        time.sleep(0.1)
        assert witness.saw(signal.SIGUSR1, begin)
        assert not witness.saw(signal.SIGUSR2, begin)
        assert not witness.saw(signal.SIGUSR1, begin - 10)
    finally:
        witness.close()


def test_a_command_that_was_never_released_ends_with_its_recording(tmp_path: Path) -> None:
    with StopSignals() as signals:
        command = Command(["touch", str(tmp_path / "made")], None, signals)
        command.close()
    assert command.child.ended()
    assert not (tmp_path / "made").exists()


def test_a_signal_while_the_trace_is_written_is_answered_and_the_next_gives_up(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with StopSignals() as signals:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        signals.finishing("still writing")
        os.kill(os.getpid(), signal.SIGINT)
        assert capfd.readouterr().err == "", "what came as one of several is no answer to the writing"
        time.sleep(0.6)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert capfd.readouterr().err == "\nstill writing\n", "a second Ctrl-C was ignored in silence"
        time.sleep(0.6)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert len(signals.received) == 7


def test_no_signal_ends_a_recording_in_the_midst() -> None:
    with StopSignals(with_quit=True) as signals:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            os.kill(os.getpid(), number)
    assert [number for number, _ in signals.received] == [2, 2, 15, 3, 1]

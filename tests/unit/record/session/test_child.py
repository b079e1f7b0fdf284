"""record/session/child.py: a command starts when it is let go, and its end is told as a shell would tell it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bpfrec.record.session.child import Child, CommandError
from bpfrec.record.session.signals import StopSignals


def run(*argv: str) -> Child:
    child = Child(argv, None)
    child.release()
    assert child.wait(10), f"{argv} did not end"
    return child


def test_nothing_runs_before_it_is_released(tmp_path: Path) -> None:
    child = Child(["touch", str(tmp_path / "made")], None)
    assert not child.wait(0.05), "the command ended before it was recorded"
    assert not (tmp_path / "made").exists()
    child.release()
    assert child.wait(10)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("script", "code", "outcome"),
    [
        ("exit 0", 0, "exited with 0"),
        ("exit 3", 3, "exited with 3"),
        ("kill -TERM $$", 143, "was killed by SIGTERM"),
    ],
)
def test_how_it_ended(script: str, code: int, outcome: str) -> None:
    child = run("sh", "-c", script)
    assert (child.exit_code, child.outcome) == (code, outcome)


def test_commands_that_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="command not found") as missing:
        Child(["no-such-command-anywhere"], None)
    assert missing.value.exit_code == 127
    (tmp_path / "text").write_text("hello")
    with pytest.raises(CommandError, match="not executable") as text:
        Child([str(tmp_path / "text")], None)
    assert text.value.exit_code == 126
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    child = Child([str(tmp_path / "script")], None)
    with pytest.raises(CommandError, match="No such file") as script:
        child.release()
    assert script.value.exit_code == 127
    assert child.ended(), "what could not start is still waited for"


def test_an_abandoned_command_never_starts(tmp_path: Path) -> None:
    child = Child(["touch", str(tmp_path / "made")], None)
    child.abandon()
    assert child.ended()
    assert not (tmp_path / "made").exists()


def ignored_by_a_command() -> int:
    """Which of the signals that matter a command finds ignored when it starts, as a mask."""
    watched = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1 | 1 << signal.SIGINT - 1
    script = f"v=$(grep SigIgn /proc/$$/status | cut -f2); exit $(( (0x$v & {watched}) != 0 ))"
    return run("sh", "-c", script).exit_code


def test_signals_are_as_they_were_for_bpfrec() -> None:
    assert ignored_by_a_command() == 0, "Python ignores SIGPIPE; a command that inherits that never ends in: cmd | head"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert ignored_by_a_command() == 1, "SIGINT was ignored on purpose (sh's &) and must stay so"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_status_is_known_where_ended_children_are_ignored() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert run("sh", "-c", "exit 4").exit_code == 4
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD])
@pytest.mark.parametrize("ignored", [True, False])
def test_a_command_ignores_what_was_ignored_when_bpfrec_started(
    tmp_path: Path, number: signal.Signals, ignored: bool
) -> None:
    before = signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with StopSignals() as signals:
            child = Child(["cp", "/proc/self/status", str(tmp_path / "status")], None, signals.ignored)
            child.release()
            assert child.wait(10)
    finally:
        signal.signal(number, before)
    mask = int((tmp_path / "status").read_text().partition("SigIgn:")[2].split()[0], 16)
    assert bool(mask >> number - 1 & 1) == ignored

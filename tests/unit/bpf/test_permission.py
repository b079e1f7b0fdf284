"""bpf/permission.py: what is missing is named, and what to do about it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from bpfrec.bpf import permission
from bpfrec.bpf.perf_event import LockedMemoryError, Ring
from bpfrec.formats.errors import BpfrecError

ALL = (1 << 41) - 1
SYS_ADMIN, PERFMON, BPF = 1 << 21, 1 << 38, 1 << 39


def held(monkeypatch: pytest.MonkeyPatch, capabilities: int, uid: int = 0) -> None:
    """As a process of ``uid`` with these effective capabilities."""
    status = f"Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t{capabilities:016x}\nCapBnd:\t{ALL:016x}\n"
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda p, *a: status if p == Path("/proc/self/status") else real(p, *a))
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(permission, "_INITIAL_PID_NAMESPACE", Path("/proc/self/ns/pid").stat().st_ino)


@pytest.mark.parametrize("capabilities", [ALL, SYS_ADMIN, BPF | PERFMON])
def test_enough(monkeypatch: pytest.MonkeyPatch, capabilities: int) -> None:
    held(monkeypatch, capabilities)
    permission.check_permission()


def test_a_user_is_told_to_use_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, 0, uid=1000)
    with pytest.raises(BpfrecError, match="sudo bpfrec record"):
        permission.check_permission()


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("/usr/bin/bpfrec", "sudo bpfrec record -p 12 --name 'a b'"),
        ("/home/u/.local/bin/bpfrec", "sudo /home/u/.local/bin/bpfrec record -p 12 --name 'a b'"),
        ("/opt/v/bpfrec/__main__.py", "sudo {python} -m bpfrec record -p 12 --name 'a b'"),
    ],
)
def test_the_refusal_prints_a_command_that_sudo_finds(
    monkeypatch: pytest.MonkeyPatch, program: str, command: str
) -> None:
    held(monkeypatch, 0, uid=1000)
    monkeypatch.setattr(sys, "argv", [program, "record", "-p", "12", "--name", "a b"])
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    with pytest.raises(BpfrecError) as refused:
        permission.check_permission()
    assert command.format(python=sys.executable) + "   (" in refused.value.hint


@pytest.mark.parametrize(("capabilities", "lacks"), [(BPF, "CAP_PERFMON"), (PERFMON, "CAP_BPF")])
def test_a_user_with_some_capabilities_is_told_which_is_missing(
    monkeypatch: pytest.MonkeyPatch, capabilities: int, lacks: str
) -> None:
    held(monkeypatch, capabilities, uid=1000)
    with pytest.raises(BpfrecError, match=f"this process lacks {lacks}\n"):
        permission.check_permission()


def test_what_is_missing_to_record_others_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, ALL & ~(1 << 19))
    assert [said.partition(",")[0] for said in permission.lacking_for_others()] == ["without CAP_SYS_PTRACE"]
    held(monkeypatch, ALL)
    assert permission.lacking_for_others() == []


@pytest.mark.parametrize(
    ("capabilities", "lacks"), [(BPF, "PERFMON"), (PERFMON, "BPF"), (ALL & ~(SYS_ADMIN | BPF), "BPF")]
)
def test_root_in_a_container_is_told_what_was_dropped(
    monkeypatch: pytest.MonkeyPatch, capabilities: int, lacks: str
) -> None:
    held(monkeypatch, capabilities)
    with pytest.raises(BpfrecError) as refused:
        permission.check_permission()
    assert f"lacks CAP_{lacks}" in refused.value.message
    assert f"--cap-add {lacks}" in refused.value.hint


def test_a_pid_namespace_of_its_own_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, ALL)
    monkeypatch.setattr(permission, "_INITIAL_PID_NAMESPACE", 1)
    with pytest.raises(BpfrecError, match="pid namespace") as refused:
        permission.check_permission()
    assert "--pid=host" in refused.value.hint


def test_lockdown_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lockdown").write_text("none integrity [confidentiality]\n")
    monkeypatch.setattr(permission, "_LOCKDOWN", tmp_path / "lockdown")
    assert "locked down" in permission.why_refused("no", "Operation not permitted").message
    (tmp_path / "lockdown").write_text("none [integrity] confidentiality\n")
    assert "locked down" not in permission.why_refused("no", "Operation not permitted").message


def test_a_refusal_is_told_from_a_program_that_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(permission, "_LOCKDOWN", tmp_path / "not here")
    refused = permission.why_refused("no", "bpf: Failed to load program: Operation not permitted")
    assert "--privileged" in refused.hint
    wrong = permission.why_refused("no", "recorder.c:5:1: error: unknown type name 'u65'")
    assert "u65" in wrong.message, "the compiler's own words are the way to the cause"


def test_perf_events_that_are_refused() -> None:
    refused = permission.perf_refused(OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert "perf_event_open" in refused.message
    assert refused.hint


def test_rings_that_may_not_be_locked_name_the_capability_and_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held(monkeypatch, BPF | PERFMON, uid=1000)
    (tmp_path / "perf_event_mlock_kb").write_text("516\n")
    monkeypatch.setattr(permission, "_LOCKED_KIB", tmp_path / "perf_event_mlock_kb")
    refused = permission.locked_memory_refused((1 << 20) + 100)
    assert "1025 KiB" in refused.message
    assert "516 without CAP_IPC_LOCK" in refused.message
    assert "sysctl kernel.perf_event_mlock_kb=1025" in refused.hint
    assert "--buffer" not in refused.hint, "the smallest rings need more than the limit"


def test_a_ring_that_may_not_be_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("mmap.mmap", refuse)
    with pytest.raises(LockedMemoryError):
        Ring(os.open(os.devnull, os.O_RDONLY), 0, 1 << 18)

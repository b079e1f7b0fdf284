"""record/processes/remote_files.py: a file system that hangs is found out, and hangs nobody."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bpfrec.record.processes import procfs, remote_files
from bpfrec.record.processes.remote_files import RemoteFiles

HANGING, LOCAL, GONE = (0, 51), (8, 1), (0, 77)
MOUNTS = b"36 35 8:1 / / rw - ext4 /dev/sda1 rw\n99 36 0:51 / /mnt/a\\040b rw shared:1 - fuse.sshfs host:/ rw\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteFiles:
    monkeypatch.setattr(procfs, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "mountinfo").write_bytes(MOUNTS)
    return RemoteFiles(patience=0.3)


def test_a_file_system_that_hangs_does_not_answer(files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "touch", lambda _: time.sleep(60))
    began = time.monotonic()
    for device in (HANGING, GONE, HANGING):
        assert not files.answers(Path("/mnt/a b/program"), device, 7)
    assert time.monotonic() - began < 30, "each file system is asked once"
    assert files.answers(Path("/bin/true"), LOCAL, 7), "a local one is not asked"


@pytest.mark.parametrize("path", ["/bin/true", "/no/such/file"])
def test_a_file_system_that_answers_does_so_with_an_error_too(files: RemoteFiles, path: str) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    assert files.answers(Path(path), HANGING, 7)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_of_a_process_that_has_gone_nothing_is_asked(files: RemoteFiles) -> None:
    assert files.answers(Path("/no/such/file"), GONE, 8)

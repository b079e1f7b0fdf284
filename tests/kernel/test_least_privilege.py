"""Recording as a user who has some capabilities and is not root; what is missing is named."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.live import Waiting, cannot_run, rows

NOBODY = 65534
ROOT = Path(__file__).parents[2]
NEEDED = "+bpf,+perfmon,+ipc_lock"


@pytest.fixture(scope="module")
def python() -> Iterator[list[str]]:
    """A Python that every user may run, with bpfrec, wherever this tree and its environment are."""
    with tempfile.TemporaryDirectory(prefix="everybody-") as name:
        place = Path(name)
        place.chmod(0o755)
        package = place / "bpfrec"
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "bpfrec", package, ignore=leave)
        for part in ("analyze", "bpf", "formats", "record"):
            shutil.copytree(ROOT / part, package / part, ignore=leave)
        libraries = place / "libraries"
        libraries.mkdir()
        subprocess.run(["mount", "--bind", sysconfig.get_path("purelib"), libraries], check=True)
        try:
            yield _python(place, libraries)
        finally:
            subprocess.run(["umount", "-l", libraries], check=True)


def _python(*folders: Path) -> list[str]:
    program = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    command = [
        "env",
        "HOME=/nonexistent",
        "PYTHONDONTWRITEBYTECODE=1",
        f"PYTHONPATH={':'.join(map(str, folders))}",
        str(program),
    ]
    tried = subprocess.run(
        [*as_nobody(""), *command, "-c", "import bpfrec.record.run, bcc"], capture_output=True, cwd="/", check=False
    )
    if program is None or tried.returncode != 0:
        cannot_run(f"there is no bpfrec that everybody may run: {tried.stderr.decode()[-200:]}")
    return [*command, "-m", "bpfrec"]


def as_nobody(capabilities: str) -> list[str]:
    who = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return who + ([f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"] if capabilities else [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "theirs"
    made.mkdir()
    os.chown(made, NOBODY, NOBODY)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o711)
    return made


def record(python: list[str], capabilities: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*as_nobody(capabilities), *python, "record", "-o", str(folder / "t.bpfrec"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, cwd=folder)


def test_a_command_is_recorded_without_root(python: list[str], folder: Path) -> None:
    done = record(python, NEEDED, folder, "--", "cat", "missing")
    assert done.returncode == 1, done.stderr
    assert "without CAP" not in done.stderr
    trace = folder / "t.bpfrec"
    assert (trace.stat().st_uid, trace.stat().st_mode & 0o777) == (NOBODY, 0o600)
    assert rows(trace, "SELECT DISTINCT uid, errno FROM syscalls WHERE path = 'missing'") == [(NOBODY, "ENOENT")]


@pytest.mark.parametrize(("held", "lacks"), [("+bpf", "CAP_PERFMON"), ("+perfmon", "CAP_BPF")])
def test_the_capability_that_is_missing_is_named(python: list[str], folder: Path, held: str, lacks: str) -> None:
    done = record(python, held, folder, "--", "true")
    assert done.returncode == 125
    assert f"this process lacks {lacks}" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


def test_a_process_of_another_user_needs_more_and_it_is_said(python: list[str], folder: Path) -> None:
    waiting = Waiting([sys.executable, "-c", "print('ready', flush=True); input()"])
    without = record(python, NEEDED, folder, "-p", str(waiting.pid), "-d", "0.5")
    assert without.returncode == 0, without.stderr
    assert "without CAP_SYS_PTRACE, open files" in without.stderr
    assert "without CAP_DAC_READ_SEARCH, programs" in without.stderr
    assert rows(folder / "t.bpfrec", "SELECT exe, count(*) FROM processes, descriptors GROUP BY ALL") == []
    (folder / "t.bpfrec").unlink()

    done = record(python, f"{NEEDED},+sys_ptrace,+dac_read_search", folder, "-p", str(waiting.pid), "-d", "0.5")
    assert done.returncode == 0, done.stderr
    assert "without CAP" not in done.stderr
    found = rows(folder / "t.bpfrec", "SELECT DISTINCT exe FROM processes, descriptors")
    assert found == [(os.path.realpath(sys.executable),)]
    waiting.go()


@pytest.mark.parametrize("sudo", [True, False], ids=["behind sudo", "root"])
def test_what_reads_foreign_bytes_is_not_root(python: list[str], tmp_path: Path, sudo: bool) -> None:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    output = tmp_path / "t.bpfrec"
    caller = [f"SUDO_UID={NOBODY}", f"SUDO_GID={NOBODY}", "SUDO_USER=nobody"] if sudo else []
    at_least_two_segments = """
import os, time
for _ in range(25):
    os.path.exists("/missing")
    time.sleep(0.1)
try:
    open("/missing/too")
except OSError:
    pass
"""
    command = [python[0], *caller, *python[1:], "-v", "record", "--live", "opensnoop -x", "-o", str(output), "--"]
    done = subprocess.run(
        [*command, python[-3], "-c", at_least_two_segments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    became = re.findall(r"works as user (\d+) and group (\d+)", done.stderr)
    # The converter, the finisher, and what shows calls meanwhile.
    assert len(became) == 3, done.stderr
    assert "/missing/too" in done.stdout
    for user, group in became:
        assert int(user) == (NOBODY if sudo else int(group))
        assert int(group) >= 0x70000000
    assert "not wholly confined" not in done.stderr
    assert "Traceback" not in done.stderr
    found = output.stat()
    assert (found.st_uid, found.st_mode & 0o777, found.st_nlink) == (NOBODY if sudo else 0, 0o600, 1)
    assert rows(output, "SELECT count(*) FROM syscalls WHERE path = '/missing'") == [(25,)]
    assert rows(output, "SELECT count(*) FROM losses") == [(0,)]
    assert rows(output, "SELECT count(*) > 0 FROM frames WHERE symbol IS NOT NULL") == [(True,)]
    assert [path.name for path in tmp_path.iterdir()] == ["t.bpfrec"]

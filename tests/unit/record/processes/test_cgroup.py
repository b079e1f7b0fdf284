"""record/processes/cgroup.py: names of cgroups to their folders, by what is mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.processes import cgroup


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder ``with space`` that counts as a mounted cgroup2, with one cgroup in it."""
    root = tmp_path / "with space"
    (root / "a.slice" / "b.scope").mkdir(parents=True)
    say_mounted(tmp_path, monkeypatch, root, "cgroup2")
    (tmp_path / "own").write_text("4:memory:/elsewhere\n0::/a.slice\n")
    monkeypatch.setattr(cgroup, "_OWN", tmp_path / "own")
    return root


def say_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path, *kinds: str) -> None:
    device = root.stat().st_dev
    place = str(root).replace(" ", "\\040")
    lines = [f"24 1 {os.major(device)}:{os.minor(device)} / {place} rw shared:4 - {kind} none rw" for kind in kinds]
    (tmp_path / "mountinfo").write_text("\n".join(["22 1 0:21 / /proc rw - proc proc rw", *lines, ""]))
    monkeypatch.setattr(cgroup, "_MOUNTINFO", tmp_path / "mountinfo")


@pytest.mark.parametrize("name", ["a.slice/b.scope", "/a.slice/b.scope", "{root}/a.slice/b.scope"])
def test_every_spelling_leads_to_the_folder(mounted: Path, name: str) -> None:
    assert cgroup.find_cgroup(name.format(root=mounted)) == mounted / "a.slice" / "b.scope"


def test_self_and_the_root(mounted: Path) -> None:
    assert cgroup.find_cgroup("self") == mounted / "a.slice"
    (mounted.parent / "own").write_text("0::/\n")
    assert cgroup.find_cgroup("self") == mounted


def test_no_such_cgroup(mounted: Path) -> None:
    with pytest.raises(BpfrecError) as refused:
        cgroup.find_cgroup("a.slice/c")
    assert refused.value.message.endswith(f"there is no cgroup a.slice/c in {mounted}")


def test_a_system_with_version_1_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say_mounted(tmp_path, monkeypatch, tmp_path, "cgroup")
    with pytest.raises(BpfrecError, match="cgroups of version 1 alone"):
        cgroup.find_cgroup(str(tmp_path))
    say_mounted(tmp_path, monkeypatch, tmp_path)
    with pytest.raises(BpfrecError, match="no cgroups mounted"):
        cgroup.find_cgroup("self")


def test_a_cgroup_of_version_1_beside_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say_mounted(tmp_path, monkeypatch, tmp_path, "cgroup", "cgroup2")
    with pytest.raises(BpfrecError, match="is a cgroup of version 1"):
        cgroup.find_cgroup(str(tmp_path))

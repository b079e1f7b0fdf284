"""bpf/distributions.py: the command for each distribution, and the docs have the same table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bpfrec.bpf.distributions import distributions, how_to_install

DOCS = Path(__file__).parents[3] / "docs" / "install.md"
APT, DNF = "apt-get install python3-bpfcc", "dnf install bcc-tools"


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ({"ID": "debian"}, APT),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, APT),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, APT),
        ({"ID": "fedora"}, "dnf install python3-bcc"),
        ({"ID": "rhel", "ID_LIKE": "fedora"}, DNF),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, DNF),
        ({"ID": "ol", "ID_LIKE": "fedora"}, "dnf install python3-bcc"),
        ({"ID": "amzn", "ID_LIKE": "fedora"}, DNF),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, "pacman -S python-bcc"),
        ({"ID": "sles", "ID_LIKE": "suse"}, "zypper install python3-bcc"),
        ({"ID": "alpine"}, "apk add py3-bcc"),
    ],
    ids=lambda value: value.get("ID", "") if isinstance(value, dict) else "",
)
def test_the_command_is_that_of_the_distribution(release: dict[str, str], command: str) -> None:
    assert how_to_install(release) == f"Install it with: {command}"


@pytest.mark.parametrize("release", [{}, {"ID": "gentoo"}, {"ID": "nixos", "ID_LIKE": ""}])
def test_elsewhere_the_names_of_the_package_are_said(release: dict[str, str]) -> None:
    said = how_to_install(release)
    assert "python3-bpfcc on debian" in said
    assert "py3-bcc on alpine" in said
    assert "\n" not in said


def test_a_distribution_has_one_command() -> None:
    for row in distributions():
        assert {other.command for other in distributions() if other.id == row.id} == {row.command}


def test_the_docs_have_the_same_table() -> None:
    row_of_five = r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| `([^`]+)` \| `([^`]+)` \|$"
    shown = re.findall(row_of_five, DOCS.read_text("utf-8"), re.M)
    assert shown == [(row.name, row.python, row.bcc, row.package, row.command) for row in distributions()]

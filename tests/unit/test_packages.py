"""The wheel has every package: pyproject.toml lists them, because the folders are not named after the packages."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSIDE = ("analyze", "bpf", "formats", "record")


def test_every_folder_with_modules_is_a_package_of_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [path.parent.relative_to(ROOT) for top in INSIDE for path in (ROOT / top).rglob("__init__.py")]
    there = {"bpfrec", *(f"bpfrec.{'.'.join(folder.parts)}" for folder in folders)}
    assert sorted(there) == sorted(listed)

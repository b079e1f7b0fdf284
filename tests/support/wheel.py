"""Builds the wheel and installs it in a clean environment: no checkout, no package of the distribution."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def install_wheel(folder: Path) -> Path:
    """Makes ``folder/environment`` with the wheel and what it depends on; returns its program ``bpfrec``."""
    source = folder / "source"
    kept = ("pyproject.toml", "README.md", "LICENSE", "bpfrec", "analyze", "bpf", "formats", "record")
    for name in kept:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            source.mkdir(exist_ok=True)
            shutil.copy(place, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    _run_checked(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    [wheel] = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment)
    python = environment / "bin" / "python"
    _run_checked(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel)
    [packages] = environment.glob("lib/python3*/site-packages")
    [metadata] = packages.glob("bpfrec-*.dist-info")
    _link_dependencies(metadata, packages)
    return environment / "bin" / "bpfrec"


def _run_checked(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _link_dependencies(metadata: Path, packages: Path) -> None:
    """Links into ``packages`` what a distribution requires, and what that requires; nothing else that is installed."""
    wanted, present = [Distribution.at(metadata)], {"bpfrec"}
    while wanted:
        for requirement in map(Requirement, wanted.pop().requires or ()):
            if requirement.name in present or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
                continue
            found = distribution(requirement.name)
            assert requirement.specifier.contains(found.version, prereleases=True), f"{requirement}: {found.version}"
            for top in {Path(file).parts[0] for file in found.files or ()} - {".."}:
                if not (packages / top).exists():
                    (packages / top).symlink_to(found.locate_file(top))
            present.add(requirement.name)
            wanted.append(found)

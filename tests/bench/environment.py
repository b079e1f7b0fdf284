"""Describes the machine and the versions of the tools, and checks that they are there."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from held import BenchError

from bpfrec.bpf.bcc_module import load_bcc

_VERSIONS = {
    "bpftrace": ["bpftrace", "--version"],
    "gcc": ["gcc", "--version"],
    "git": ["git", "--version"],
    "perf": ["perf", "--version"],
    "strace": ["strace", "--version"],
    "tar": ["tar", "--version"],
}


def require(programs: Iterable[str]) -> None:
    """Checks that this is root and that the programs are installed.

    Raises:
        BenchError: it is not, or one is not.
    """
    if os.geteuid() != 0:
        raise BenchError("tracing needs root: run it with sudo")
    missing = sorted({name for name in programs if name and not shutil.which(name)})
    if missing:
        raise BenchError(f"not installed: {', '.join(missing)}; `make setup-dev` and `make bench` install them")


def environment() -> dict[str, object]:
    """Kernel, CPUs, memory in bytes, date and versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "versions": _versions(),
        "command_line": sys.argv,
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""


def _versions() -> dict[str, str]:
    versions = {"bpfrec": version("bpfrec"), "bcc": str(load_bcc().__version__)}
    for name, command in _VERSIONS.items():
        if shutil.which(name):
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            versions[name] = said.strip().split("\n")[0]
    return versions

"""Running the program as users do: as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_bpfrec(
    *arguments: str | Path,
    stdin: str = "",
    columns: int | None = 80,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs it with a time zone of no place and a width of ``columns`` (None: not set)."""
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "BPFREC_TRACE", "TZ")}
    env |= {"TZ": "Asia/Kathmandu", "PYTHONUTF8": "1"} | (environment or {})
    if columns is not None:
        env["COLUMNS"] = str(columns)
    command = [sys.executable, "-m", "bpfrec", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, encoding="utf-8", env=env, cwd=cwd, timeout=60, check=False
    )

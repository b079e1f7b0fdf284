"""The built wheel records from an isolated environment, as `uv tool install` and `pipx install` make one."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from support.live import rows
from support.wheel import install_wheel


def test_the_wheel_records_with_the_bcc_of_the_distribution() -> None:
    # The recorder's helpers are not root, and have to read the environment.
    with tempfile.TemporaryDirectory(prefix="wheel-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = install_wheel(folder)
        python = program.with_name("python")
        found = subprocess.run([python, "-c", "import bcc"], capture_output=True, text=True, check=False, cwd="/")
        assert "ModuleNotFoundError" in found.stderr, "the environment is not isolated"
        trace = folder / "t.bpfrec"
        # Without the cache, bcc has to compile.
        clean = {"PATH": "/usr/bin:/bin", "BPFREC_CACHE": "off"}
        command = [program, "record", "-o", trace, "--", "/bin/true"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=clean, cwd="/")
        assert done.returncode == 0, done.stderr
        [(calls, executed, missing)] = rows(
            trace,
            "SELECT count(*), count(*) FILTER (syscall = 'execve'), "
            "(SELECT count(*) FROM losses WHERE severity = 'data_loss') FROM syscalls",
        )
    assert isinstance(calls, int)
    assert calls > 5
    assert executed == 1
    assert missing == 0

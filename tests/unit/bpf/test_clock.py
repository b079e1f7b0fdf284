"""bpf/clock.py: the kernel's clock, in every time namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

from bpfrec.bpf.clock import monotonic_ns

DAY_NS = 86_400 * 1_000_000_000


def test_outside_of_time_namespaces_it_is_the_monotonic_clock() -> None:
    before = time.monotonic_ns()
    assert before <= monotonic_ns() <= time.monotonic_ns()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root")
def test_inside_of_one_it_is_still_the_kernels() -> None:
    script = "import time; from bpfrec.bpf.clock import monotonic_ns; print(time.monotonic_ns(), monotonic_ns())"
    command = ["unshare", "--time", "--fork", "--monotonic", "86400", sys.executable, "-c", script]
    before = time.monotonic_ns()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no time namespaces here: {done.stderr}")
    shifted, found = map(int, done.stdout.split())
    assert before <= found <= time.monotonic_ns()
    assert shifted - found > DAY_NS - 1_000_000_000

"""A recording that reached its limit of time or size is written at once, and its command goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.live import PATIENCE, record_command, rows

# Makes calls until the trace is there, and ends with a status of its own. A trace that waits for its end never comes.
UNTIL_WRITTEN = f"""
import os, sys, time
limit = time.monotonic() + {PATIENCE / 2}
while not os.path.exists(sys.argv[1]) and time.monotonic() < limit:
    for number in range(1000):
        os.stat("/")
sys.exit(7 if os.path.exists(sys.argv[1]) else 1)
"""


@pytest.mark.parametrize("limit", [("--max-duration", "1500ms"), ("--max-size", "64M")])
def test_the_command_goes_on_and_the_trace_is_there(tmp_path: Path, limit: tuple[str, str]) -> None:
    output = tmp_path / "t.bpfrec"
    done = record_command(output, sys.executable, "-c", UNTIL_WRITTEN, output, options=[*limit, "--stacks", "off"])
    assert done.returncode == 7, done.stderr
    assert "goes on" in done.stderr
    assert rows(output, "SELECT stopped, finished FROM recording") == [(f"{limit[0]} was reached", True)]
    assert rows(output, "SELECT count(*) > 1000 FROM syscalls") == [(True,)]
    assert rows(output, "SELECT kind FROM losses WHERE severity = 'data_loss'") == []
    assert not list(tmp_path.glob(".*.*")), "something stays behind"

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


# Opens files that are there, until the trace is; then one that is not there would come too late.
OPENS_UNTIL_WRITTEN = f"""
import os, sys, time
limit = time.monotonic() + {PATIENCE / 2}
for number in range(2000):
    os.stat("/")
try:
    open("/nonexistent/app/wanted.conf")
except FileNotFoundError:
    pass
while not os.path.exists(sys.argv[1]) and time.monotonic() < limit:
    time.sleep(0.05)
sys.exit(7 if os.path.exists(sys.argv[1]) else 1)
"""


@pytest.mark.parametrize("after", [(), ("--after", "500ms")])
def test_a_recording_ends_at_the_call_that_matters_and_the_command_goes_on(
    tmp_path: Path, after: tuple[str, ...]
) -> None:
    output = tmp_path / "t.bpfrec"
    until = ("--until", "fsync >100ms", "--until", "openat ENOENT /nonexistent/app/*")
    done = record_command(
        output, sys.executable, "-c", OPENS_UNTIL_WRITTEN, output, options=[*until, *after, "--stacks", "off"]
    )
    assert done.returncode == 7, done.stderr
    assert "'openat ENOENT /nonexistent/app/*' was met by openat of process" in done.stderr
    assert ("recording goes on for 0.5 s" in done.stderr) is bool(after)
    found = """
        SELECT stopped LIKE '%(ts_ns ' || c.ts_ns || ')', finished, epoch_ns(stop) - epoch_ns(c.ts) BETWEEN ? AND 9e9
        FROM recording, syscalls AS c WHERE c.path LIKE '/nonexistent/app/%'
    """.replace("?", "5e8" if after else "0")
    assert rows(output, found) == [(True, True, True)]
    assert rows(output, "SELECT count(*) >= 2000 FROM syscalls WHERE path = '/'") == [(True,)]
    assert rows(output, "SELECT kind FROM losses WHERE severity = 'data_loss'") == []


def test_a_call_in_a_batch_that_is_not_sent_is_seen(tmp_path: Path) -> None:
    output = tmp_path / "t.bpfrec"
    script = "sleep 0.5; sh -c 'exit 3'; sleep 600"
    done = record_command(output, "timeout", "20", "sh", "-c", script, options=["--until", "exit_group =3", "-d", "60"])
    assert done.returncode == 124, done.stderr
    assert rows(output, "SELECT stopped LIKE '%''exit_group =3'' was met by exit_group%' FROM recording") == [(True,)]
    assert rows(output, "SELECT count(*) FROM syscalls WHERE syscall = 'exit_group' AND arg0 = 3") == [(1,)]
    assert rows(output, "SELECT duration_ns < 15e9 FROM recording") == [(True,)]

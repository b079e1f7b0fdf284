"""A flight recorder, ``--last``, keeps the last part of a recording, which answers as a whole trace does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.live import PATIENCE, Recorder, Waiting, record_command, rows, started, trace_of, wait_until

SECONDS = 2
SECOND = 1_000_000_000


def numbers_in(trace: Path) -> list[int]:
    query = "SELECT try_cast(split_part(path, '/', 2) AS INT) FROM syscalls WHERE path LIKE 'missing/%' ORDER BY 1"
    return [number for (number,) in rows(trace, query)]  # type: ignore[misc]


def start_of(trace: Path) -> int:
    with trace_of(trace) as opened:
        return opened.manifest.start_ns


def check(trace: Path, file: Path, asked: int, made: dict[int, int]) -> None:
    """Checks a trace of the calls ``made`` (number and time), which was asked for at the time ``asked``."""
    start = start_of(trace)
    assert asked - start >= SECONDS * SECOND
    found = numbers_in(trace)
    assert found == list(range(found[0], found[-1] + 1)), "calls are missing, or there twice"
    wanted = [number for number, when in made.items() if start <= when <= asked]
    assert found[-1] >= wanted[-1]
    # The first one may have begun a moment before.
    assert wanted[0] - 1 <= found[0] <= wanted[0]
    assert rows(trace, "SELECT finished, recorder_start < start FROM recording") == [(True, True)]
    assert rows(trace, "SELECT kind, count FROM losses") == []
    assert rows(trace, "SELECT DISTINCT comm FROM syscalls") == [("long-ago",)]
    named = "SELECT DISTINCT resolved_path FROM syscalls WHERE syscall = 'pread64'"
    assert rows(trace, named) == [(str(file),)]
    assert rows(trace, "SELECT count(*) FROM syscalls WHERE resolved_path = '/usr/' || path") == [(len(found),)]
    assert rows(trace, "SELECT DISTINCT target FROM descriptors WHERE target LIKE '%/held'") == [(str(file),)]
    stacks = """
        SELECT string_agg(symbol, ' ' ORDER BY depth) FROM frames JOIN syscalls USING (stack_id)
        WHERE path LIKE 'missing/%' AND symbol IN ('inner', 'outer', 'main') GROUP BY event_id
    """
    assert rows(trace, f"SELECT s, count(*) FROM ({stacks}) AS t(s) GROUP BY 1") == [("inner outer main", len(found))]


def test_what_led_up_to_a_signal_is_written_while_recording_goes_on(
    tmp_path: Path, programs: Callable[..., Path]
) -> None:
    held, log, output = (tmp_path / name for name in ("held", "log", "t.bpfrec"))
    held.write_text("x")
    flying = Waiting([programs("flying"), held, log])
    recorder = Recorder(output, "--last", f"{SECONDS}s", "-p", str(flying.pid))
    assert flying.process.stdin is not None
    flying.process.stdin.write("go\n")
    flying.process.stdin.flush()
    time.sleep(3 * SECONDS)
    folder = next(tmp_path.glob(".t.bpfrec.*"))
    legs = {path.name for path in folder.glob("journal*.spool")}
    asked = [time.monotonic_ns()]
    recorder.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: list(tmp_path.glob(".t-*")), "the signal is not answered")
    asked.append(time.monotonic_ns())
    recorder.process.send_signal(signal.SIGUSR1)
    recorder.wait_for("another one follows")
    for _ in asked:
        recorder.wait_for("stopped because SIGUSR1 came")
    # Those of the same second have a number as well, and their names are not in the order of time.
    written = sorted(tmp_path.glob("t-*.bpfrec"), key=lambda path: path.stat().st_mtime_ns)
    time.sleep(SECONDS)
    assert len(written) == 2
    assert not {path.name for path in folder.glob("journal*.spool")} & legs, "old legs stay"
    asked.append(time.monotonic_ns())
    recorder.stop()
    flying.end()
    made = {int(number): int(when) for number, when in map(str.split, log.read_text().splitlines())}
    for trace, when in zip([*written, output], asked, strict=True):
        check(trace, held, when, made)
    stopped = [rows(trace, "SELECT stopped FROM recording")[0][0] for trace in (*written, output)]
    assert stopped == ["SIGUSR1", "SIGUSR1", "SIGINT"]
    assert not list(tmp_path.glob(".t*")), "something stays behind"


# Makes millions of calls, then one that ends the recording, and goes on until the trace is there.
LOUD = f"""
import os, sys, time
null = os.open("/dev/zero", os.O_RDONLY)
for number in range(1_200_000):
    os.pread(null, 1, number)
try:
    open("/nonexistent/app/wanted.conf")
except FileNotFoundError:
    pass
limit = time.monotonic() + {PATIENCE / 2}
while not os.path.exists(sys.argv[1]) and time.monotonic() < limit:
    time.sleep(0.05)
sys.exit(7 if os.path.exists(sys.argv[1]) else 1)
"""


def test_the_disk_has_what_was_asked_for_and_the_call_that_mattered_is_there(tmp_path: Path) -> None:
    output, rings = tmp_path / "t.bpfrec", 4 << 20
    options = ["--last", "64M", "--until", "openat ENOENT /nonexistent/app/*", "--stacks", "off", "--buffer", "4M"]
    command = [sys.executable, "-m", "bpfrec", "record", "-o", str(output), *options, "--", sys.executable, "-c", LOUD]
    recorder = subprocess.Popen([*command, str(output)], stderr=subprocess.PIPE, text=True)
    started.append(recorder)
    most = 0
    while recorder.poll() is None and not output.exists():
        folders = tmp_path.glob(".t.bpfrec.*")
        spools = [path for folder in folders for path in folder.glob("*.spool")]
        most = max(most, sum(path.stat().st_blocks * 512 for path in spools if path.exists()))
        time.sleep(0.1)
    _, said = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 7, said
    assert 32 << 20 < most < (64 << 20) + 4 * rings, "the disk has more than it may, or nothing to be dropped"
    assert rows(output, "SELECT recorder_start < start, stopped LIKE '--until%' FROM recording") == [(True, True)]
    last = "SELECT path FROM syscalls WHERE path LIKE '/nonexistent/app/%'"
    assert rows(output, last) == [("/nonexistent/app/wanted.conf",)]
    # Calls are numbered by their argument: those that are kept are the last ones, and those not lost are all there.
    kept = "SELECT min(arg3), max(arg3), count(*) FROM syscalls WHERE syscall = 'pread64' AND arg2 = 1"
    lost = "SELECT coalesce(sum(count), 0) FROM losses WHERE severity = 'data_loss'"
    ((first, final, count),), ((missing,),) = rows(output, kept), rows(output, lost)
    assert isinstance(first, int)
    assert isinstance(final, int)
    assert 0 < first < final == 1_199_999
    assert count + missing >= final - first + 1  # type: ignore[operator]
    assert rows(output, "SELECT DISTINCT resolved_path FROM syscalls WHERE syscall = 'pread64' AND arg2 = 1") == [
        ("/dev/zero",)
    ]


def test_a_recording_that_is_shorter_is_whole(tmp_path: Path) -> None:
    done = record_command(tmp_path / "t.bpfrec", "true", options=["--last", "60s"])
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "t.bpfrec", "SELECT recorder_start FROM recording") == [(None,)]

"""What a bpftrace script costs as a replay, and live: the same script on the same work.

Usage: replay.py [TRACE]

Without TRACE, as root with bpftrace: runs ``dd`` alone, under ``bpfrec record``, and under bpftrace with each script,
by turns, and replays the recording. With TRACE, a recording of ``dd if=/dev/zero of=/dev/null bs=1 count=500000``, it
only replays. The replay and dd each run on one CPU. A replay costs the CPU time of the run, without reading the script
and the first look at the trace. A live script costs the CPU time that dd takes more than alone: programs of the kernel
run on the time of the call that they see.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpfrec
from bpfrec.analyze.bpftrace.check import check
from bpfrec.analyze.bpftrace.dialect import LATEST
from bpfrec.analyze.bpftrace.errors import Source
from bpfrec.analyze.bpftrace.holdings import holdings
from bpfrec.analyze.bpftrace.output import Output
from bpfrec.analyze.bpftrace.parse import parse
from bpfrec.analyze.bpftrace.replay import Manner, replay

TIMES = 3
COUNT = 500_000
CPU = max(os.sched_getaffinity(0))
WORK = f"""\
taskset -c {CPU} dd if=/dev/zero of=/dev/null bs=1 count={COUNT} 2>/dev/null
times
"""
WRITES = "SELECT count(*) FROM syscalls WHERE syscall = 'write'"
CALLS = "SELECT count(*) FROM syscalls"
_TIMES = re.compile(r"^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$", re.MULTILINE)
"""What ``times`` of bash writes: user and system time of the shell, then those of its children."""


@dataclass(frozen=True)
class Script:
    """A script, a query for the number of its events, and the ways to replay it: as SQL, event by event."""

    text: str
    events: str
    ways: tuple[str, ...] = ("SQL", "events")


SCRIPTS = {
    "latency of write by thread, as a histogram": Script(
        "t:syscalls:sys_enter_write { @ts[tid] = nsecs; }"
        "t:syscalls:sys_exit_write /@ts[tid]/ { @h[comm] = hist(nsecs - @ts[tid]); delete(@ts[tid]); }",
        f"SELECT 2 * ({WRITES})",
        ("events",),
    ),
    "entries of all calls, by name": Script("t:raw_syscalls:sys_enter { @[comm] = count(); }", CALLS),
    "exits of all calls, by name and result": Script(
        "t:raw_syscalls:sys_exit { @[comm, args->ret] = count(); }", CALLS
    ),
    "sizes of write, as a histogram": Script("t:syscalls:sys_enter_write { @ = hist(args->count); }", WRITES),
}


def replayed(path: str, script: str, sql: bool) -> float:
    """Seconds of CPU time of a replay, its check included and the first look at the trace not."""
    with bpfrec.open(path) as trace:
        trace.query("SELECT max(ts_ns) FROM syscalls")
        source = Source("bench", script)
        checked = check(source, parse(source), holdings(trace), LATEST, [])
        begin = time.process_time()
        replay(trace, checked, Output(io.BytesIO(), io.StringIO(), safe=False), Manner(sql=sql))
        return time.process_time() - begin


def worked(command: Sequence[str]) -> float:
    """Seconds of CPU time that dd says it took, under ``command``.

    Raises:
        RuntimeError: it did not say so.
    """
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}, check=False)
    took = _TIMES.findall(done.stdout)
    if len(took) != 2:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")
    minutes, seconds, minutes_of_system, seconds_of_system = map(float, took[1])
    return 60 * (minutes + minutes_of_system) + seconds + seconds_of_system


def live(trace: Path, work: Path) -> dict[str, float]:
    """CPU seconds that dd takes more than alone, under each script and under the recorder, which leaves ``trace``."""
    work.write_text(WORK)
    command = ["/bin/bash", str(work)]
    recorder = [sys.executable, "-m", "bpfrec", "record", "--force", "-o", str(trace), "--", *command]
    commands = {"alone": command, "record": recorder} | {
        name: ["bpftrace", "-e", script.text, "-c", " ".join(command)] for name, script in SCRIPTS.items()
    }
    took = {name: min(times) for name, times in _by_turns(commands).items()}
    return {name: seconds - took["alone"] for name, seconds in took.items() if name != "alone"}


def _by_turns(commands: dict[str, list[str]]) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TIMES):
        for name, command in commands.items():
            took[name].append(worked(command))
    return took


def main() -> None:
    """Prints a line for each script and way."""
    with tempfile.TemporaryDirectory(prefix="bpfrec-bench-") as folder:
        longer = {}
        path = sys.argv[1] if len(sys.argv) > 1 else str(Path(folder) / "dd.bpfrec")
        if len(sys.argv) == 1:
            longer = live(Path(path), Path(folder) / "work")
            print(f"recording takes {longer['record'] / (2 * COUNT) * 1e9:.0f} ns a call")
        os.sched_setaffinity(0, {CPU})
        for name, script in SCRIPTS.items():
            with bpfrec.open(path) as trace:
                events = trace.query(script.events).rows[0][0]
            for way in script.ways:
                seconds = min(replayed(path, script.text, way == "SQL") for _ in range(TIMES))
                print(f"{name} ({way}): {_told(seconds, longer.get(name), events)}", flush=True)


def _told(seconds: float, longer: float | None, events: int) -> str:
    text = f"{events / seconds / 1e6:.1f} M events/s, {seconds / events * 1e9:.0f} ns an event"
    if longer is None:
        return text
    return f"{text}; live {longer / events * 1e9:.0f} ns an event, {longer / seconds:.1f} times as much"


if __name__ == "__main__":
    main()

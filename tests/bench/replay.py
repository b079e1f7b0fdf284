"""What replaying a bpftrace script costs: events a second of one CPU's time, event by event and as SQL.

Usage: replay.py TRACE, where TRACE is a recording of: dd if=/dev/zero of=/dev/null bs=1 count=500000
"""

from __future__ import annotations

import io
import os
import sys
import time

import bpfrec
from bpfrec.analyze.bpftrace.check import check
from bpfrec.analyze.bpftrace.dialect import LATEST
from bpfrec.analyze.bpftrace.errors import Source
from bpfrec.analyze.bpftrace.holdings import holdings
from bpfrec.analyze.bpftrace.output import Output
from bpfrec.analyze.bpftrace.parse import parse
from bpfrec.analyze.bpftrace.replay import Manner, replay

TIMES = 3
WRITES = "SELECT count(*) FROM syscalls WHERE syscall = 'write'"
CALLS = "SELECT count(*) FROM syscalls"

_LATENCY = (
    "t:syscalls:sys_enter_write { @ts[tid] = nsecs; }"
    "t:syscalls:sys_exit_write /@ts[tid]/ { @h[comm] = hist(nsecs - @ts[tid]); delete(@ts[tid]); }"
)

SCRIPTS = {
    "latency of write by thread, event by event": (
        _LATENCY,
        f"SELECT 2 * ({WRITES})",
        True,
    ),
    "entries by name, event by event": ("t:syscalls:sys_enter_* { @[comm] = count(); }", CALLS, False),
    "entries by name, as SQL": ("t:syscalls:sys_enter_* { @[comm] = count(); }", CALLS, True),
    "sizes of write, as SQL": ("t:syscalls:sys_enter_write { @ = hist(args.count); }", WRITES, True),
    "exits by name and result, as SQL": ("t:syscalls:sys_exit_* { @[comm, args.ret] = count(); }", CALLS, True),
}
"""By what it is: the script, a query for the number of its events, whether it may become SQL."""


def cost(path: str, script: str, sql: bool) -> float:
    """Seconds of CPU time of a run, its check included and the first look at the trace not."""
    with bpfrec.open(path) as trace:
        trace.query("SELECT max(ts_ns) FROM syscalls")
        source = Source("bench", script)
        checked = check(source, parse(source), holdings(trace), LATEST, [])
        begin = time.process_time()
        replay(trace, checked, Output(io.BytesIO(), io.StringIO(), safe=False), Manner(sql=sql))
        return time.process_time() - begin


def main() -> None:
    """Prints a line for each script."""
    path = sys.argv[1]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for name, (script, count, sql) in SCRIPTS.items():
        with bpfrec.open(path) as trace:
            events = trace.query(count).rows[0][0]
        seconds = min(cost(path, script, sql) for _ in range(TIMES))
        print(f"{events / seconds / 1e6:6.1f} M events/s  {name}")


if __name__ == "__main__":
    main()

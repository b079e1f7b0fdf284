"""What a shell can complete from a trace: its processes and calls. A trace that cannot be read completes nothing."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.trace_input import named_trace
from bpfrec.formats.errors import BpfrecError

_MOST = 200


def processes_in_trace(ctx: click.Context) -> list[tuple[int, str]]:
    """Pids and names of the processes of the trace on the command line, those with most calls first."""
    from bpfrec.analyze.facade import Trace  # noqa: PLC0415

    query = f"""
        SELECT pid, arg_max(comm, ts_ns) FROM syscalls WHERE pid IS NOT NULL
        GROUP BY pid ORDER BY count(*) DESC, pid LIMIT {_MOST}
    """  # noqa: S608 - a number
    try:
        with Trace(named_trace(ctx)) as trace:
            return [(int(pid), str(comm or "")) for pid, comm in trace.query(query).rows]
    except (BpfrecError, OSError):
        return []


def calls_in_trace(ctx: click.Context) -> list[str]:
    """The calls of the trace on the command line, else all calls; and the classes of calls."""
    from bpfrec.formats.kernel.syscalls import CLASSES, syscalls  # noqa: PLC0415
    from bpfrec.formats.remote.opening import open_reader  # noqa: PLC0415

    try:
        with open_reader(named_trace(ctx)) as reader:
            names = sorted(reader.manifest.syscalls)
    except (BpfrecError, OSError):
        names = sorted(syscalls())
    return [*names, *(f"%{name}" for name in CLASSES)]

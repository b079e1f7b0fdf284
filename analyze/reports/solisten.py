"""solisten: sockets that began to listen."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import refused_option
from bpfrec.analyze.reports.snoop import in_lines, snoop, snoop_report


def compute(trace: Queries, calls: CallFilter, *, duration_s: float | None = None, top: int = 0) -> Result:
    """Calls of listen by their entry.

    ``duration_s``: only the first so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, pid, comm, protocol, backlog, port, address, ret.
    """
    return snoop(trace, calls, "solisten", duration_s=duration_s, top=top)


REPORT = snoop_report(
    compute,
    in_lines(
        Field("PID", -7, "pid"),
        Field("COMM", -12, "comm", most=12),
        Field("PROTO", -6, "protocol"),
        Field("BACKLOG", -8, "backlog"),
        Field("PORT", -5, "port"),
        Field("ADDR", -39, "address", gap=""),
    ),
    """Print sockets that began to listen, as bcc's solisten does; unix sockets too.

    An address or port is "?" if the trace does not tell it: the socket was bound before the recording, or the kernel
    chose the port and the program did not ask for it.""",
    options=(
        refused_option(["--show-netns"], "network namespaces are not in a trace.", is_flag=True),
        refused_option(["-n", "--netns"], "network namespaces are not in a trace; threads by name: --name."),
    ),
    # bcc's -n is a network namespace.
    flags={"name": ("--name",)},
)

"""``bpfrec analyze report latency``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import (
    Output,
    SyscallName,
    name_option,
    output_options,
    output_width,
    pass_trace,
    process_options,
)
from bpfrec.analyze.trace import Trace


@click.command("latency")
@process_options
@name_option
@click.option("--syscall", type=SyscallName(), metavar="NAME", help="Only this system call.")
@click.option("-H", "--histogram", is_flag=True, help="A histogram for every call instead.")
@output_options
@pass_trace
def command(
    *,
    trace: Trace,
    output: Output,
    pid: int | None,
    tid: int | None,
    name: str | None,
    syscall: str | None,
    histogram: bool,
) -> None:
    """Show how long calls took: least, median, percentiles, most, total; the most expensive call first.

    The table is in microseconds, histograms are in nanoseconds, and so are json and csv. Percentiles are exact.
    """
    from bpfrec.analyze.render import plain  # noqa: PLC0415

    result = trace.report("latency", pid=pid, tid=tid, name=name, syscall=syscall, histogram=histogram)
    if histogram:
        output.write(result, lambda r: plain.latency_histograms(r.dicts()))
    else:
        output.write(result, lambda r: plain.latency(r.dicts(), output_width()))

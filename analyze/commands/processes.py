"""``bpfrec analyze report processes``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import Output, name_option, output_options, output_width, pass_trace
from bpfrec.analyze.trace import Trace


@click.command("processes")
@click.option("-p", "--pid", type=click.IntRange(0), metavar="PID", help="Only this process.")
@name_option
@click.option("-c", "--calls", is_flag=True, help="Show the first and the last call of each.")
@output_options
@pass_trace
def command(*, trace: Trace, output: Output, pid: int | None, name: str | None, calls: bool) -> None:
    """Print the tree of processes: what each executed, when it lived, its calls and how it ended.

    START is in seconds from the start of the recording, "before" where a process was there already; SECONDS is how
    long it lived, "still" where it outlived the recording. END is its exit status, or the signal that ended it. One
    that executed several programs has a line for each.
    """
    from bpfrec.analyze.render import plain  # noqa: PLC0415

    result = trace.report("processes", pid=pid, name=name, lazy=True)
    output.write(result, lambda r: plain.processes(r.records(), output_width(), calls))

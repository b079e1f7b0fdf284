"""``bpfrec analyze report failed-opens``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import (
    Output,
    name_option,
    output_options,
    output_width,
    pass_trace,
    process_options,
)
from bpfrec.analyze.trace import Trace


@click.command("failed-opens")
@process_options
@name_option
@output_options
@pass_trace
def command(trace: Trace, output: Output, pid: int | None, tid: int | None, name: str | None) -> None:
    """List the files that could not be opened: who tried, how often, from when to when (UTC).

    An open is a call of open, openat, openat2 or creat.
    """
    from bpfrec.analyze.render import plain  # noqa: PLC0415

    result = trace.report("failed-opens", pid=pid, tid=tid, name=name, lazy=True)
    output.write(result, lambda r: plain.failed_opens(r.records(), output_width()))

"""``bpfrec analyze report summary``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import Output, output_options, output_width, pass_trace
from bpfrec.analyze.trace import Trace


@click.command("summary")
@click.option("-T", "--top", type=click.IntRange(1), default=5, show_default=True, help="So many lines a section.")
@output_options
@pass_trace
def command(trace: Trace, output: Output, top: int) -> None:
    """Show one page: the recording, its processes, what they called, what failed, what is missing."""
    from bpfrec.analyze.render import plain  # noqa: PLC0415

    result = trace.report("summary", top=top)
    output.write(result, lambda r: plain.summary(r.dicts(), output_width()))

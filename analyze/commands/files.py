"""``bpfrec analyze report files``."""

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

_SORTS = ("time", "calls", "opens", "failures", "read", "written")


@click.command("files")
@process_options
@name_option
@click.option("--sort", type=click.Choice(_SORTS), default="time", show_default=True, help="The most of it first.")
@click.option("-T", "--top", type=click.IntRange(0), default=20, show_default=True, help="So many rows; 0: all.")
@output_options
@pass_trace
def command(
    *, trace: Trace, output: Output, pid: int | None, tid: int | None, name: str | None, sort: str, top: int
) -> None:
    """Show what was done with every file: opens, failures, bytes read and written, time.

    Files are called by their absolute names, by descriptor or path; where that is not known, by the path as passed.
    """
    from bpfrec.analyze.render import plain  # noqa: PLC0415

    result = trace.report("files", pid=pid, tid=tid, name=name, sort=sort, top=top, lazy=True)
    output.write(result, lambda r: plain.files(r.records(), output_width()))

"""``bpfrec analyze report network``."""

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

_SORTS = ("time", "calls", "connects", "accepts", "failures", "sent", "received")


@click.command("network")
@process_options
@name_option
@click.option("-H", "--hosts", is_flag=True, help="By address, all its ports together.")
@click.option("--sort", type=click.Choice(_SORTS), default="time", show_default=True, help="The most of it first.")
@click.option("-T", "--top", type=click.IntRange(0), default=20, show_default=True, help="So many rows; 0: all.")
@output_options
@pass_trace
def command(
    *,
    trace: Trace,
    output: Output,
    pid: int | None,
    tid: int | None,
    name: str | None,
    hosts: bool,
    sort: str,
    top: int,
) -> None:
    """Show what was exchanged with every peer: connections made and taken, failures, bytes, time.

    A peer is an address and port, or the path of a unix socket; "-" where it is not known.
    """
    from bpfrec.analyze.render import plain  # noqa: PLC0415

    result = trace.report("network", pid=pid, tid=tid, name=name, hosts=hosts, sort=sort, top=top, lazy=True)
    output.write(result, lambda r: plain.network(r.records(), output_width()))

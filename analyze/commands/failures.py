"""``bpfrec analyze report failures``."""

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


@click.command("failures")
@process_options
@name_option
@click.option("--syscall", type=SyscallName(), metavar="NAME", help="Only this system call.")
@output_options
@pass_trace
def command(
    *, trace: Trace, output: Output, pid: int | None, tid: int | None, name: str | None, syscall: str | None
) -> None:
    """List failed calls by call, error and path, and whether the same call succeeded later.

    Times are UTC. "worked" under LATER: after the last failure the same call of the same process, with the same path
    if it has one, succeeded; "in 1 of 3": in one of the three processes that it failed in.
    """
    from bpfrec.analyze.render import plain  # noqa: PLC0415

    result = trace.report("failures", pid=pid, tid=tid, name=name, syscall=syscall, lazy=True)
    output.write(result, lambda r: plain.failures(r.records(), output_width()))

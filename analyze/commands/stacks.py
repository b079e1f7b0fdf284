"""``bpfrec analyze report stacks``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import (
    Output,
    output_options,
    output_width,
    pass_trace,
    path_options,
)
from bpfrec.analyze.trace import Trace


@click.command("stacks")
@path_options
@click.option("-T", "--top", type=click.IntRange(0), default=10, show_default=True, help="So many paths; 0: all.")
@output_options
@pass_trace
def command(
    *,
    trace: Trace,
    output: Output,
    pid: int | None,
    tid: int | None,
    uid: int | None,
    name: str | None,
    syscall: str | None,
    failed: bool,
    by: str,
    lines: bool,
    top: int,
) -> None:
    """Count calls by call path, or their time or failures: the functions, innermost first, and below them the count.

    Percentages are of all the chosen calls that have a stack. Those that have none are counted on standard error.
    """
    from bpfrec.analyze.render import stacks as text  # noqa: PLC0415

    result = trace.report(
        "stacks",
        lazy=True,
        pid=pid,
        tid=tid,
        uid=uid,
        name=name,
        syscall=syscall,
        failed=failed,
        by=by,
        lines=lines,
        top=top,
    )
    output.write(result, lambda r: text.stacks(r.records(), by, output_width()))

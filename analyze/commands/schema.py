"""``bpfrec analyze schema``: what SQL can ask for."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import Output, output_options
from bpfrec.analyze.commands.trace_input import complete_files, without_trace
from bpfrec.analyze.facade import Trace
from bpfrec.formats.errors import BpfrecError


def _name(ctx: click.Context, _: click.Parameter, given: tuple[str, ...]) -> str | None:
    """The view among the arguments; the trace is kept."""
    names = without_trace(ctx, given)
    if len(names) > 1:
        raise click.UsageError(f"Which view? {', '.join(names)} are several.", ctx)
    return names[0] if names else None


@click.command("schema")
@click.argument("name", nargs=-1, metavar="[NAME] [TRACE]", callback=_name, shell_complete=complete_files)
@output_options
@pass_trace
def command(trace: Trace, output: Output, name: str | None) -> None:
    """List the views and columns that SQL can use, and what they mean. With NAME: only those of that view.

    A view sys.CALL has the arguments of one system call by name and type. There is one for each call in the trace.
    """
    result = trace.schema(name)
    if name is not None and not result.rows:
        raise BpfrecError(f"this trace has no view {name}", "For a list of views: bpfrec analyze schema")
    output.write(result)

"""``bpfrec analyze report``: the group of reports."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.lazygroup import Entry, LazyGroup
from bpfrec.analyze.reports import REPORTS, module_of

_ENTRIES = {name: Entry(f"{module_of(name, 'commands')}:command", line) for name, line in REPORTS.items()}


@click.group(
    "report", cls=LazyGroup, entries=_ENTRIES, invoke_without_command=True, subcommand_metavar="NAME [OPTIONS]"
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Ready-made answers. Without NAME, the list of reports."""
    if ctx.invoked_subcommand is None:
        for name, line in REPORTS.items():
            click.echo(f"{name:<14}{line}")

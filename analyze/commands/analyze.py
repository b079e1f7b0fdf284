"""``bpfrec analyze``: the group of commands that ask a trace."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.lazygroup import Entry, LazyGroup
from bpfrec.analyze.commands.trace_input import input_options
from bpfrec.analyze.reports import REPORTS

ENTRIES = {
    "report": Entry("bpfrec.analyze.commands.report:command", "ready-made answers; without NAME: the list of them"),
    "flamegraph": Entry(
        "bpfrec.analyze.commands.flamegraph:command", "draw call stacks: SVG, HTML, folded stacks, speedscope"
    ),
    "html": Entry("bpfrec.analyze.commands.html:command", "write the trace as one web page: timeline, tables"),
    "export": Entry("bpfrec.analyze.commands.export:command", "write the trace for another tool: Perfetto, pprof"),
    "compare": Entry("bpfrec.analyze.commands.compare:command", "what one trace has that another lacks"),
    "bpftrace": Entry("bpfrec.analyze.commands.bpftrace:command", "replay a bpftrace script on the trace"),
    "sql": Entry("bpfrec.analyze.commands.sql:command", "ask in SQL; without a query: a prompt"),
    "info": Entry("bpfrec.analyze.commands.info:command", "the recording: host, times, options, what was lost"),
    "schema": Entry("bpfrec.analyze.commands.schema:command", "views and columns that SQL can use, and what they mean"),
}
"""The commands that ask a trace, in the order in which they are listed."""


@click.group(
    "analyze",
    cls=LazyGroup,
    entries=ENTRIES,
    takes_trace=True,
    elsewhere={name: f"bpfrec report {name}" for name in REPORTS},
    subcommand_metavar="COMMAND [ARGS]...",
)
@input_options
def command() -> None:
    """Ask a trace: reports, SQL, what it holds.

    -i may stand here or after the command, or the trace may be given as an argument.
    """

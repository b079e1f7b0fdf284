"""``bpfrec analyze``: the group of commands that ask a trace."""

from __future__ import annotations

from pathlib import Path

import click

from bpfrec.analyze.commands.endings import ended_by_signals
from bpfrec.analyze.commands.lazygroup import Entry, LazyGroup
from bpfrec.analyze.commands.memory import bounded_memory

SYMBOLS = "bpfrec.symbols"
"""Where the context of a command has the folders of ``--symbols``."""

_ENTRIES = {
    "report": Entry("bpfrec.analyze.commands.report:command", "ready-made answers; without NAME: the list of them"),
    "flamegraph": Entry(
        "bpfrec.analyze.commands.flamegraph:command", "draw call stacks: SVG, HTML, folded stacks, speedscope"
    ),
    "bpftrace": Entry("bpfrec.analyze.commands.bpftrace:command", "replay a bpftrace script on the trace"),
    "sql": Entry("bpfrec.analyze.commands.sql:command", "ask in SQL; without a query: a prompt"),
    "info": Entry("bpfrec.analyze.commands.info:command", "the recording: host, times, options, what was lost"),
    "schema": Entry("bpfrec.analyze.commands.schema:command", "views and columns that SQL can use, and what they mean"),
}


@click.group("analyze", cls=LazyGroup, entries=_ENTRIES)
@click.option(
    "-i",
    "--input",
    "trace",
    type=click.Path(path_type=Path),
    envvar="BPFREC_TRACE",
    default="trace.bpfrec",
    show_default="$BPFREC_TRACE, else trace.bpfrec",
    help="The trace: a .bpfrec file, or the folder one was unzipped to.",
)
@click.option(
    "--symbols",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    envvar="BPFREC_SYMBOLS",
    metavar="DIR",
    help="Folder with debug files, which name functions and source lines: /usr/lib/debug, a cache of debuginfod, "
    "or any folder with ELF files; may be repeated. [$BPFREC_SYMBOLS]",
)
@click.pass_context
def command(ctx: click.Context, trace: Path, symbols: tuple[Path, ...]) -> None:
    """Ask a trace: reports, SQL, what it holds."""
    ctx.with_resource(ended_by_signals())
    ctx.with_resource(bounded_memory())
    ctx.obj = trace
    ctx.meta[SYMBOLS] = symbols

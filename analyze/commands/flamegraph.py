"""``bpfrec analyze flamegraph``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bpfrec.analyze.commands.files import output_file
from bpfrec.analyze.commands.filter_options import filter_options, refuse_with_samples
from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import note, write_lines
from bpfrec.analyze.commands.patience import Patience
from bpfrec.analyze.commands.trace_input import trace_argument
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.reports.stacks import MEASURES, STACK_OPTIONS

_SUFFIXES = {
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".json": "speedscope",
    ".folded": "folded",
    ".txt": "folded",
}


@click.command("flamegraph")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; else standard output.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "html", "folded", "speedscope"]),
    help="Default: by the suffix of the file (.json: speedscope), and folded on standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--samples", is_flag=True, help="CPU samples (record --profile) instead of system calls.")
@click.option("--comm/--no-comm", default=True, help="Whether the thread's name is the outermost frame.")
@click.option("--call/--no-call", default=True, help="Whether the system call is the innermost frame.")
@click.option("--title", help="The title; by default what is shown.")
@pass_trace
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    trace: Trace,
    output: Path | None,
    form: str | None,
    force: bool,
    by: str,
    lines: bool,
    samples: bool,
    comm: bool,
    call: bool,
    title: str | None,
    **chosen: Any,
) -> None:
    """Draw call stacks as a flame graph: the root at the bottom, each function on its caller, as wide as its share.

    \b
    flamegraph -o calls.svg              a picture, which a browser zooms and searches
    flamegraph -o calls.html --by time   a page, which does that and more
    flamegraph --by blocked              where threads waited (record --sched, --kernel-stacks)
    flamegraph | flamegraph.pl           folded stacks, for other programs
    flamegraph -o calls.json             for https://www.speedscope.app

    Picture and page load nothing, and say how much they leave out because it is too narrow; folded and speedscope
    have everything. Times are in ns. Calls without a stack are counted on standard error.
    """
    form = form or _format_of(output)
    if samples:
        refuse_with_samples(ctx, ("call",))
    from bpfrec.analyze.flame.draw import drawn, measured  # noqa: PLC0415

    note(*trace.loss_notes())
    with Patience():
        flame, shown = measured(
            trace,
            samples=samples,
            by=by,
            lines=lines or form == "speedscope",
            comm=comm,
            call=call,
            **chosen,
        )
    note(*flame.notes)
    pieces = drawn(flame, form, shown if title is None else title)
    if output is None:
        write_lines(pieces)
    else:
        with output_file(output, force=force) as file:
            file.writelines(f"{piece}\n" for piece in pieces)


def _format_of(output: Path | None) -> str:
    if output is None:
        return "folded"
    if output.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"-o {output}: give --format, or a name that ends in {', '.join(_SUFFIXES)}.")
    return _SUFFIXES[output.suffix.lower()]


_BY = click.Option(
    ["--by"],
    type=click.Choice([*MEASURES, "blocked"]),
    default="calls",
    show_default=True,
    help="What is counted: calls, the time in them, failed calls, or the time that threads waited in them.",
)
command.params[2:2] = [*filter_options({}), _BY, *(option for option in STACK_OPTIONS if option.name != "by")]
command.params.append(trace_argument())

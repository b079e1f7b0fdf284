"""``bpfrec analyze html``: the trace as one web page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bpfrec.analyze.commands.files import output_file
from bpfrec.analyze.commands.filter_options import filter_options
from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import note
from bpfrec.analyze.commands.trace_input import given_trace, input_options, trace_argument
from bpfrec.analyze.facade import Trace


@click.command("html")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option("--viewer", is_flag=True, help="Write the page without a trace; it opens those that are dropped on it.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@input_options
@click.pass_context
def command(ctx: click.Context, /, *, output: Path, viewer: bool, force: bool, **chosen: Any) -> None:
    """Write the trace, or the chosen calls, as one web page for somebody who has no bpfrec.

    \b
    html -o ticket.html
    html -o ticket.html -p 4242 --from 1.5 --to 2
    html --viewer -o viewer.html

    It has the summary with its findings, a timeline of every thread, failures, files, network, processes, latencies and
    flame graphs. Tables sort, filter and are copied as CSV. The page is at most 10 MB, says what it leaves out, loads
    nothing and sends nothing.

    The viewer is the same page for any trace: a browser opens it, and reads the .bpfrec file that is dropped on it. It
    knows less: it looks for no findings, and does not look up what descriptors stand for.
    """
    if not viewer:
        write: Callable[..., None] = pass_trace(_write_page)
        write(output=output, force=force, chosen=chosen)
        return
    if given_trace(ctx) or any(chosen.values()):
        raise click.UsageError("--viewer is for any trace: leave out the trace and the options that choose calls.")
    from bpfrec.analyze.page.viewer import viewer as viewer_page  # noqa: PLC0415

    with output_file(output, force=force) as file:
        file.write(viewer_page())


def _write_page(*, trace: Trace, output: Path, force: bool, chosen: dict[str, Any]) -> None:
    from bpfrec.analyze.page.draw import page  # noqa: PLC0415

    note(*trace.loss_notes())
    with output_file(output, force=force) as file:
        file.write(page(trace, chosen))


command.params[2:2] = filter_options({})
command.params.append(trace_argument())

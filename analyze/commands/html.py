"""``bpfrec analyze html``: the trace as one web page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bpfrec.analyze.commands.files import output_file
from bpfrec.analyze.commands.filter_options import filter_options
from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import note
from bpfrec.analyze.commands.trace_input import trace_argument
from bpfrec.analyze.facade import Trace


@click.command("html")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file, which is made."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@pass_trace
def command(*, trace: Trace, output: Path, force: bool, **chosen: Any) -> None:
    """Write the trace, or the chosen calls, as one web page for somebody who has no bpfrec.

    \b
    html -o ticket.html
    html -o ticket.html -p 4242 --from 1.5 --to 2

    It has the summary with its findings, a timeline of every thread, failures, files, network, processes, latencies and
    flame graphs. Tables sort, filter and are copied as CSV. The page is at most 10 MB, says what it leaves out, loads
    nothing and sends nothing.
    """
    from bpfrec.analyze.page.draw import page  # noqa: PLC0415

    note(*trace.loss_notes())
    with output_file(output, force=force) as file:
        file.write(page(trace, chosen))


command.params[2:2] = [*filter_options({})]
command.params.append(trace_argument())

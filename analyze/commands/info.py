"""``bpfrec analyze info``: the recording as a whole."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import Output, output_options, output_width, pass_trace
from bpfrec.analyze.facade import Trace


@click.command("info")
@output_options
@pass_trace
def command(trace: Trace, output: Output) -> None:
    """Show the recording as a whole: file, host, times, options, rows, losses.

    json and csv have one row: that of the SQL view "recording", and the number of events that are missing.
    """
    from bpfrec.analyze.engine.sqltemplate import bundled_sql  # noqa: PLC0415
    from bpfrec.analyze.render.pages import name_value_lines  # noqa: PLC0415

    output.write(trace.query(bundled_sql("info")), lambda r: name_value_lines(r.dicts()[0], output_width()))

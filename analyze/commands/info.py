"""``bpfrec analyze info``: the recording as a whole."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import Output, output_options
from bpfrec.analyze.commands.trace_input import trace_argument
from bpfrec.analyze.facade import Trace


@click.command("info")
@click.option("--verify", is_flag=True, help="Compare the checksums of all tables instead; exit 1 if one is wrong.")
@output_options
@pass_trace
def command(trace: Trace, output: Output, verify: bool) -> None:
    """Show the recording as a whole: file, host, times, options, rows, losses.

    json and csv have one row: that of the SQL view "recording", and the number of events that are missing. With
    --verify, there is a row for each table.
    """
    if verify:
        _verify(trace, output)
        return
    from bpfrec.analyze.engine.sqltemplate import bundled_sql  # noqa: PLC0415
    from bpfrec.analyze.render.pages import name_value_lines  # noqa: PLC0415

    output.write(trace.query(bundled_sql("info")), lambda r: name_value_lines(r.dicts()[0], output.width))


def _verify(trace: Trace, output: Output) -> None:
    from bpfrec.analyze.engine.result import Result  # noqa: PLC0415

    found = trace.verify()
    rows = [(name, trace.manifest.tables[name].bytes, fault or "ok") for name, fault in found]
    output.write(Result(["table", "bytes", "checksum"], ["VARCHAR", "BIGINT", "VARCHAR"], rows, ""))
    if any(fault for _, fault in found):
        raise click.exceptions.Exit(1)


command.params.append(trace_argument())

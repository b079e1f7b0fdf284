"""``bpfrec analyze report schema``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import Output, output_options, pass_trace
from bpfrec.analyze.trace import Trace
from bpfrec.formats.errors import BpfrecError


@click.command("schema")
@click.argument("name", required=False)
@output_options
@pass_trace
def command(trace: Trace, output: Output, name: str | None) -> None:
    """List the views and columns that SQL can use, and what they mean; only those of the view NAME, if given.

    Views sys.CALL have the named and typed arguments of one system call; they are there for the calls in the trace.
    """
    from bpfrec.analyze.engine.sqltemplate import bundled_sql, render_text  # noqa: PLC0415

    result = trace.query(render_text(bundled_sql("schema"), view=name))
    if name is not None and not result.rows:
        raise BpfrecError(f"this trace has no view {name}", "For a list of views: bpfrec analyze schema")
    output.write(result)

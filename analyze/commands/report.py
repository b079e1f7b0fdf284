"""``bpfrec analyze report``: a command for every report, made from what the report says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from bpfrec.analyze.commands.lazygroup import Entry, LazyGroup
from bpfrec.analyze.reports import REPORTS, find

if TYPE_CHECKING:
    from bpfrec.analyze.commands.options import Output
    from bpfrec.analyze.engine.result import Result
    from bpfrec.analyze.facade import Trace

_ENTRIES = {
    name: Entry(f"bpfrec.analyze.reports.{name.replace('-', '_')}:REPORT", line) for name, line in REPORTS.items()
}


class _ReportGroup(LazyGroup):
    """The reports as commands."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of the report of that name."""
        return report_command(cmd_name) if cmd_name in REPORTS else None


def report_command(name: str) -> click.Command:
    """The command of a report: options that choose calls, its own, and those of every output."""
    # The list of reports is printed without all this.
    from bpfrec.analyze.commands.filter_options import filter_options  # noqa: PLC0415
    from bpfrec.analyze.commands.options import (  # noqa: PLC0415
        note,
        output_options,
        output_paint,
        output_width,
        pass_trace,
    )
    from bpfrec.analyze.commands.patience import Patience  # noqa: PLC0415
    from bpfrec.analyze.reports.call_filter import FILTERS  # noqa: PLC0415
    from bpfrec.analyze.reports.report import Answer  # noqa: PLC0415

    report = find(name)
    asked = {*report.filter_names(FILTERS), *report.option_names()}

    @click.command(name, help=report.help, epilog=report.usage)
    @output_options
    @pass_trace
    def command(*, trace: Trace, output: Output, **options: Any) -> None:
        options = report.settle(options | {"format": output.format, "show_sql": output.show_sql})
        wanted = {option: value for option, value in options.items() if option in asked}
        with Patience():
            result = trace.report(name, lazy=True, **wanted)
            answer = Answer(trace, result, options, output_width(), output_paint())

            def text(_: Result) -> Iterable[str]:
                note(*report.remarks(answer))
                return report.text(answer)

            output.write(result, text)
        if result.refused:
            raise click.exceptions.Exit(1)

    command.params[:0] = [*filter_options(report.flags), *report.options]
    return command


@click.group(
    "report", cls=_ReportGroup, entries=_ENTRIES, invoke_without_command=True, subcommand_metavar="NAME [OPTIONS]"
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Ready-made answers. Without NAME, the list of reports."""
    if ctx.invoked_subcommand is None:
        for name, line in REPORTS.items():
            click.echo(f"{name:<14}{line}")

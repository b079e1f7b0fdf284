"""``bpfrec analyze report``: a command for every report, made from what the report says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from bpfrec.analyze.commands.lazygroup import Entry, LazyGroup
from bpfrec.analyze.commands.trace_input import (
    complete_files,
    input_options,
    is_trace,
    keep_trace,
    trace_argument,
    without_trace,
)
from bpfrec.analyze.reports import REPORTS, find

if TYPE_CHECKING:
    from bpfrec.analyze.commands.output import Output
    from bpfrec.analyze.engine.result import Result
    from bpfrec.analyze.facade import Trace
    from bpfrec.formats.manifest import Manifest

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
    from bpfrec.analyze.commands.options import pass_trace  # noqa: PLC0415
    from bpfrec.analyze.commands.output import note, output_options  # noqa: PLC0415
    from bpfrec.analyze.commands.patience import Patience  # noqa: PLC0415
    from bpfrec.analyze.commands.sections import SectionedCommand  # noqa: PLC0415
    from bpfrec.analyze.reports.call_filter import FILTERS  # noqa: PLC0415
    from bpfrec.analyze.reports.report import Answer  # noqa: PLC0415

    report = find(name)
    asked = report.names(FILTERS)

    @click.command(name, cls=SectionedCommand, help=report.help, epilog=report.usage)
    @output_options
    @pass_trace
    def command(*, trace: Trace, output: Output, **options: Any) -> None:
        options = report.settle(options | {"format": output.format, "show_sql": output.show_sql})
        wanted = {option: value for option, value in options.items() if option in asked}
        with Patience():
            result = trace.report(name, lazy=True, **wanted)
            answer = Answer(trace, result, options, output.width, output.paint)

            def text(_: Result) -> Iterable[str]:
                note(*report.remarks(answer))
                result.source = answer.counter.through(result.source)
                return report.text(answer)

            output.write(result, text)
            if answer.counter.is_zero:
                note(report.empty or none_of(trace.manifest))
        if result.refused:
            raise click.exceptions.Exit(1)

    own = [flag for param in report.options for flag in (*param.opts, *param.secondary_opts)]
    if "-i" in own:
        _share_i(command, report.options)
    _trace_behind_flags(report.options)
    command.params[:0] = [*filter_options(report.flags, own, report.refuses), *report.options]
    if any(isinstance(param, click.Argument) for param in report.options):
        _take_trace_of_arguments(command)
    else:
        command.params.append(trace_argument())
    return command


class _OrTrace(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """A value of another type, or a trace, which is kept: then the option has the value ``otherwise``."""

    def __init__(self, kind: Any, otherwise: object = None) -> None:
        self._kind = kind
        self._otherwise = otherwise
        self.name = kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the other type makes of ``value``; ``otherwise`` for a trace."""
        if ctx is not None and isinstance(value, str) and is_trace(value):
            keep_trace(ctx, value)
            return self._otherwise
        return self._kind(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What the other type offers, or else files."""
        offered: list[CompletionItem] = self._kind.shell_complete(ctx, param, incomplete)
        return offered or complete_files(ctx, param, incomplete)


class _OrFile(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """A value of another type, in whose place the shell may complete the name of a trace."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self.name = kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the other type makes of ``value``."""
        return self._kind(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Files."""
        return complete_files(ctx, param, incomplete)


def _share_i(command: click.Command, own: Sequence[click.Parameter]) -> None:
    """Lets ``-i`` of ``command`` be the interval of bcc's tool, but where it names a trace."""
    for param in command.params:
        if param.name == "input_path":
            param.opts.remove("-i")
    for param in own:
        if isinstance(param, click.Option) and "-i" in param.opts and not isinstance(param.type, _OrTrace):
            param.type = _OrTrace(param.type)
            # Both may be given: -i 1 -i TRACE.
            param.multiple = True
            param.callback = _last


def _last(_ctx: click.Context, _param: click.Parameter, values: Sequence[object]) -> object:
    """The last value of an option that was given several times; None where each was a trace."""
    return next((value for value in reversed(values) if value is not None), None)


def _trace_behind_flags(own: Sequence[click.Parameter]) -> None:
    """Lets a trace stand behind an option whose value may be left out."""
    for param in own:
        value = getattr(param, "flag_value", None)
        # Where none was given, click has a mark of its own there.
        is_open = isinstance(param, click.Option) and not param.is_flag and type(value) in (int, str)
        if is_open and not isinstance(param.type, _OrTrace):
            param.type = _OrTrace(param.type, value)


def _take_trace_of_arguments(command: click.Command) -> None:
    """Lets the trace be one of the arguments of ``command``."""
    ((place, own),) = ((i, param) for i, param in enumerate(command.params) if isinstance(param, click.Argument))
    # The report keeps its own: a command is made of it each time.
    required, argument = own.required, copy(own)
    argument.required = False
    argument.type = _OrFile(argument.type)
    command.params[place] = argument

    def keep(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
        rest = tuple(without_trace(ctx, given))
        if not rest and required and not ctx.resilient_parsing:
            raise click.UsageError(f"Missing argument {param.human_readable_name!r}.", ctx)
        return rest

    argument.callback = keep


def none_of(manifest: Manifest) -> str:
    """What to say where an answer has no rows."""
    calls = manifest.tables["syscalls"].rows if "syscalls" in manifest.tables else 0
    return f"none of {calls:,} calls" if calls else "the trace has no calls"


@click.group(
    "report",
    cls=_ReportGroup,
    entries=_ENTRIES,
    takes_trace=True,
    invoke_without_command=True,
    subcommand_metavar="NAME [OPTIONS]",
)
@input_options
@click.pass_context
def command(ctx: click.Context) -> None:
    """Ready-made answers. Without NAME, the list of reports.

    The trace may stand before or after NAME; see -i.
    """
    if ctx.invoked_subcommand is None:
        from bpfrec.analyze.commands.output import write_list  # noqa: PLC0415

        write_list(REPORTS)

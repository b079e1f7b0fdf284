"""``bpfrec analyze bpftrace``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from bpfrec.analyze.bpftrace.dialect import DIALECTS
from bpfrec.analyze.bpftrace.errors import ScriptError, Source
from bpfrec.analyze.commands.files import output_file
from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import note
from bpfrec.analyze.commands.trace_input import complete_files, is_trace, keep_trace
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.render.escape import printable_lines
from bpfrec.formats.errors import BpfrecError

if TYPE_CHECKING:
    from bpfrec.analyze.bpftrace.check import Checked

_MOST_BYTES = 1 << 20


class _BpftraceCommand(click.Command):
    """A command whose options end with the script, as those of bpftrace do, but for the trace: it stands anywhere."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, without the trace, which is kept."""
        before: str | None = None
        rest: list[str] = []
        for arg in args:
            if before not in _WITH_VALUE and is_trace(arg):
                if before in _INPUT:
                    rest.pop()
                keep_trace(ctx, arg)
            else:
                rest.append(arg)
            before = arg
        return super().parse_args(ctx, rest)


_INPUT = ("-i", "--input")
_WITH_VALUE = ("-e", "-o", "--")
"""What a name of a trace behind it is a value of."""


@click.command(
    "bpftrace",
    cls=_BpftraceCommand,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[TRACE] [SCRIPT.bt] [ARG]...",
    shell_complete=complete_files,
)
@click.option("-e", "program", metavar="PROGRAM", help="The script itself, instead of a file.")
@click.option(
    "-f",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How answers are written.",
)
@click.option("-o", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option(
    "--like",
    type=click.Choice(list(DIALECTS)),
    default="latest",
    show_default=True,
    help="Which version of bpftrace to follow where they differ: latest is 0.27.",
)
@click.option("-l", "listing", is_flag=True, help="List the probes that the trace can answer, or those named.")
@click.option("-v", "verbose", is_flag=True, help="With -l: also their arguments.")
@click.option("--sql", "show_sql", is_flag=True, help="Print the queries that a script of aggregations becomes.")
@click.option("-q", "quiet", is_flag=True, help="Do not say how many probes are attached.")
@click.option("--no-warnings", is_flag=True, help="Print no warnings.")
@click.option("--dry-run", is_flag=True, help="Check the script, and do not run it.")
@pass_trace
def command(
    trace: Trace,
    arguments: tuple[str, ...],
    program: str | None,
    form: str,
    target: Path | None,
    force: bool,
    like: str,
    listing: bool,
    verbose: bool,
    dry_run: bool,
    show_sql: bool,
    quiet: bool,
    no_warnings: bool,
) -> int:
    """Replay a bpftrace script on the trace: what it prints is what bpftrace would have printed.

    The script is a file, - for standard input, or PROGRAM; what follows it is $1, $2 ..., and --NAME=VALUE is for
    getopt().

    \b
    bpfrec analyze bpftrace -e 'tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }'
    bpfrec analyze bpftrace opensnoop.bt
    bpfrec analyze bpftrace -lv 'tracepoint:syscalls:sys_enter_open*'
    """
    from bpfrec.analyze.bpftrace.holdings import holdings  # noqa: PLC0415

    held = holdings(trace)
    if listing:
        from bpfrec.analyze.bpftrace.listing import listed  # noqa: PLC0415

        lines = list(listed(arguments[0] if arguments else "*", held, verbose))
        for line in lines:
            click.echo(line)
        if not lines:
            note(f"no probe of this trace matches {arguments[0]}")
        return 0
    from bpfrec.analyze.bpftrace.check import check  # noqa: PLC0415
    from bpfrec.analyze.bpftrace.output import Output  # noqa: PLC0415
    from bpfrec.analyze.bpftrace.parse import parse  # noqa: PLC0415
    from bpfrec.analyze.bpftrace.replay import Manner, replay  # noqa: PLC0415

    if program is None and not arguments:
        raise click.UsageError("Give a script: a file, - for standard input, or -e PROGRAM.")
    rest = list(arguments) if program is not None else list(arguments[1:])
    source = Source("stdin", program) if program is not None else _read(arguments[0])
    parameters, options = split_arguments(rest)
    try:
        checked = check(source, parse(source), held, DIALECTS[like], parameters, options)
    except ScriptError as error:
        # The place stands first, so that editors find it, as bpftrace has it.
        click.echo(printable_lines(error.message), err=True)
        return error.exit_code
    for warning in checked.warnings if not no_warnings else ():
        click.echo(printable_lines(warning), err=True)
    if dry_run:
        return 0
    if show_sql:
        return _print_sql(checked)
    how = Manner(json=form == "json", announces=not quiet, warns=not no_warnings)
    note(*trace.loss_notes(), *checked.context.remarks)
    if target is None:
        return replay(trace, checked, Output(), how)
    with output_file(target, force=force, binary=True) as file:
        return replay(trace, checked, Output(cast("BinaryIO", file), safe=False), how)


def _print_sql(checked: Checked) -> int:
    from bpfrec.analyze.bpftrace.sql_backend import compile_sql  # noqa: PLC0415
    from bpfrec.analyze.bpftrace.sql_expressions import NotSql  # noqa: PLC0415

    try:
        program = compile_sql(checked)
    except NotSql as reason:
        place = checked.source.message(reason.node.span, "NOTE", f"no SQL: {reason.why}")
        click.echo(printable_lines(place), err=True)
        return 1
    for aggregation in program.aggregations:
        click.echo(f"{aggregation.sql};")
    return 0


def split_arguments(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Positional parameters, and what getopt() finds: ``--name=value`` and ``--name``."""
    parameters: list[str] = []
    options: dict[str, str] = {}
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            name, _, value = argument[2:].partition("=")
            options[name] = value if "=" in argument else "true"
        elif argument != "--":
            parameters.append(argument)
    return parameters, options


_OF_LIVE = {
    "-p": "A trace has the processes that were recorded: test pid in the script.",
    "-c": "Record the command first: bpfrec record -- COMMAND.",
}
"""What takes the place of options of bpftrace that a replay does not have."""


def _read(name: str) -> Source:
    if name.startswith("-") and name != "-":
        raise click.UsageError(
            f"No such option: {name[:2]}\n{_OF_LIVE.get(name[:2], 'Options stand before the script.')}"
        )
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BpfrecError(f"{name}: {error.strerror}", "Give a script, or -e PROGRAM.") from None
    if len(data) > _MOST_BYTES:
        raise BpfrecError(f"{name}: larger than {_MOST_BYTES >> 20} MiB", "A bpftrace script was expected.")
    try:
        return Source("stdin" if name == "-" else name, data.decode("utf-8"))
    except UnicodeDecodeError:
        raise BpfrecError(f"{name}: not UTF-8 text", "A bpftrace script was expected.") from None

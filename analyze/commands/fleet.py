"""``bpfrec fleet``: one question to many traces."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from bpfrec.analyze.commands.endings import end_now, ended_by_signals, ending_status
from bpfrec.analyze.commands.fleet_run import Asking, Progress, Run
from bpfrec.analyze.commands.lazygroup import Entry, LazyGroup
from bpfrec.analyze.commands.output import Output, note, output_options, write_list
from bpfrec.analyze.commands.trace_input import complete_files
from bpfrec.analyze.reports import REPORTS, find
from bpfrec.analyze.reports.option_types import Count, Time
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.new_trace import IF_IT_EXISTS
from bpfrec.formats.remote.uri import trace_place

F = TypeVar("F", bound=Callable[..., Any])

FLEET_VARIABLE = "BPFREC_FLEET"
DEFAULT_FLEET = "fleet.parquet"
_TIME_LIMIT_S = 600.0


class _Group(LazyGroup):
    """The commands of this module."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        return _COMMANDS.get(cmd_name)


class _Reports(LazyGroup):
    """The reports as commands that ask many traces."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of the report of that name."""
        return _report_command(cmd_name) if cmd_name in REPORTS else None


@click.group(
    "fleet",
    cls=_Group,
    entries={
        "index": Entry("", "make a table with a row for each trace: host, time, command, calls, losses"),
        "report": Entry("", "ask many traces for a report"),
        "sql": Entry("", "ask many traces in SQL"),
        "export": Entry("", "copy the tables of many traces into one lake of Parquet"),
    },
)
def command() -> None:
    """Ask many traces one question, wherever they are.

    \b
    bpfrec fleet index s3://incidents/4711/ -o fleet.parquet
    bpfrec fleet report failed-opens --fleet fleet.parquet --where "host LIKE 'web%'"
    """


def _fleet_options(function: F) -> F:
    """Adds what chooses traces: the command gets their names as ``traces``."""

    @click.option(
        "--fleet",
        metavar="PLACE",
        shell_complete=complete_files,
        help="The traces: an index, a folder, a prefix of a store (s3://...), a file that lists them, or - for a list "
        f"on standard input.  [default: ${FLEET_VARIABLE}, else {DEFAULT_FLEET}]",
    )
    @click.option(
        "--where",
        metavar="SQL",
        help="Only traces for whose row in the index this holds, as \"host = 'a' AND calls > 1000\"; without an index "
        "the rows are made first.",
    )
    @wraps(function)
    def command(*args: Any, fleet: str | None, where: str | None, **kwargs: Any) -> Any:
        from bpfrec.analyze.fleet.index import chosen_traces  # noqa: PLC0415

        click.get_current_context().with_resource(ended_by_signals())
        traces = chosen_traces(fleet or os.environ.get(FLEET_VARIABLE) or DEFAULT_FLEET, where)
        if not traces:
            raise BpfrecError("no trace is chosen", "Look at the index, or name another place with --fleet.")
        return function(*args, traces=traces, **kwargs)

    return command  # type: ignore[return-value]


def _asking_options(function: F) -> F:
    """Adds how many traces are asked at a time, how long one may take, and where the list of how it went goes: the
    command gets an :class:`Asking` as ``asking``.
    """

    @_fleet_options
    @click.option(
        "--on",
        type=click.Choice(("local", "spark")),
        default="local",
        show_default=True,
        help="Ask in processes on this machine, or with Apache Spark (pip install 'bpfrec[spark]').",
    )
    @click.option(
        "--jobs",
        type=Count(1),
        metavar="N",
        default=None,
        help="Ask so many traces at a time.  [default: as many as there are CPUs]",
    )
    @click.option(
        "--time-limit",
        "time_limit_s",
        type=Time(least=1e-3),
        metavar="TIME",
        default=_TIME_LIMIT_S,
        show_default=True,
        help="Give up a trace that takes longer: seconds, or a time with a unit, such as 5m.",
    )
    @click.option(
        "--status",
        "status_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write a row for each trace to FILE: status, message, rows, bytes read, seconds. In the format that its "
        "suffix says.",
    )
    @wraps(function)
    def command(
        *args: Any,
        output: Output,
        on: str,
        jobs: int | None,
        time_limit_s: float,
        status_file: Path | None,
        **kwargs: Any,
    ) -> Any:
        for path in (output.path, status_file):
            # The questions take long: this should not be said behind them.
            if path is not None and path.is_file() and not output.force and not output.show_sql:
                raise BpfrecError(f"{path} exists", IF_IT_EXISTS)
        asking = Asking(on, jobs, time_limit_s, status_file, output.force)
        return function(*args, output=output, asking=asking, **kwargs)

    return command  # type: ignore[return-value]


@click.group(
    "report",
    cls=_Reports,
    entries={name: Entry("", line) for name, line in REPORTS.items()},
    invoke_without_command=True,
    subcommand_metavar="NAME [OPTIONS]",
)
@click.pass_context
def report(ctx: click.Context) -> None:
    """Ask many traces for a report. The first column, trace, says which trace a row is from.

    Without NAME, list the reports whose answers --merged can combine.
    """
    if ctx.invoked_subcommand is None:
        from bpfrec.analyze.fleet.merging import mergeable  # noqa: PLC0415

        write_list({name: REPORTS[name] for name in mergeable()})


def _report_command(name: str) -> click.Command:
    from bpfrec.analyze.commands.filter_options import filter_options  # noqa: PLC0415
    from bpfrec.analyze.reports.call_filter import FILTERS  # noqa: PLC0415

    chosen = find(name)
    asked = chosen.names(FILTERS)

    @click.command(name, help=chosen.help, epilog=chosen.usage)
    @output_options
    @_asking_options
    @click.option("--merged", is_flag=True, help="Make one answer of all: counts are added, histograms too.")
    def command(
        *,
        traces: list[str],
        output: Output,
        asking: Asking,
        merged: bool,
        **options: Any,
    ) -> None:
        from bpfrec.analyze.fleet.merging import reduce_sql  # noqa: PLC0415
        from bpfrec.analyze.fleet.question import Question  # noqa: PLC0415

        options = chosen.settle(options | {"format": output.format, "show_sql": False})
        wanted = {option: value for option, value in options.items() if option in asked}
        sql = reduce_sql(name, wanted) if merged else ""
        if output.show_sql:
            if not merged:
                raise click.UsageError("--sql prints how answers are merged: add --merged.")
            click.echo(sql)
            return
        top = int(wanted.get("top") or 0)
        if merged and "top" in wanted:
            # The greatest of all need not be among the greatest of any.
            wanted["top"] = 0
        run = Run(traces, Question(name, wanted), asking)
        if merged:
            run.write_merged(sql, top, output)
        else:
            run.write(output)

    own = [flag for param in chosen.options for flag in (*param.opts, *param.secondary_opts)]
    for param in command.params:
        param.opts[:] = [flag for flag in param.opts if flag not in own]
    command.params[:0] = [*filter_options(chosen.flags, own, chosen.refuses), *chosen.options]
    return command


@click.command("sql")
@click.argument("query")
@output_options
@_asking_options
def sql(traces: list[str], output: Output, query: str, asking: Asking) -> None:
    """Ask many traces in SQL. The first column, trace, says which trace a row is from.

    QUERY is asked each trace by itself; "bpfrec analyze schema" lists the views. Add up what it gives with another
    tool: --format parquet -o FILE.
    """
    from bpfrec.analyze.fleet.question import Question  # noqa: PLC0415

    if output.show_sql:
        click.echo(query.strip())
        return
    Run(traces, Question(sql=query), asking).write(output)


@click.command("index")
@click.argument("places", nargs=-1, required=True, metavar="PLACE...", shell_complete=complete_files)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_FLEET,
    show_default=True,
    metavar="FILE",
    help="The index. If it is there, traces that have not changed are not read again.",
)
@click.option(
    "--failures",
    is_flag=True,
    help="Count failed calls by error also in traces of older versions, of which more is read for it.",
)
@click.pass_context
def index(ctx: click.Context, places: tuple[str, ...], target: Path, failures: bool) -> None:
    """Make a table with a row for each trace, of which 64 KiB are read.

    PLACE is a folder, a prefix of a store (s3://...), a trace, a file that lists traces, or - for a list on standard
    input. A trace that cannot be read is a row too: its status says so.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    from bpfrec.analyze.commands.files import output_file  # noqa: PLC0415
    from bpfrec.analyze.fleet.index import IndexBuilder, read_index  # noqa: PLC0415

    ctx.with_resource(ended_by_signals())
    before = read_index(target) if target.exists() else None
    progress = Progress(0, "indexed")

    def show(done: int, total: int) -> None:
        progress.total = total
        progress.show(done)

    builder = IndexBuilder(places, before, failures=failures, progress=show)
    rows = builder.rows()
    progress.clear()
    if not rows.num_rows:
        raise BpfrecError(f"no trace is in {', '.join(places)}", "A trace is called *.bpfrec.")
    with output_file(target, force=True, binary=True) as file:
        pq.write_table(rows, file, compression="zstd")
    unreadable = f", {builder.unreadable} of them unreadable" if builder.unreadable else ""
    read = rows.num_rows - builder.kept - builder.unread
    note(f"{target}: {rows.num_rows:,} traces{unreadable}; {read:,} were read")
    if builder.uncounted:
        note(f"{builder.uncounted:,} are of older versions, without counts of failed calls; --failures counts them")
    if builder.ending is not None:
        note(f"ended by a signal: {builder.unread:,} traces were not read; run it again to read them")
        end_now(ending_status(builder.ending))


@click.command("export")
@click.option("--to", "target", required=True, metavar="PLACE", help="A folder, or a place in a store.")
@_fleet_options
def export(traces: list[str], target: str) -> None:
    """Copy the tables of many traces into one lake of Parquet: TABLE/trace=ID/part.parquet.

    DuckDB, Spark, Trino and ClickHouse read it. Members are copied byte for byte, and their checksums compared.
    traces.parquet says which trace an ID is; views.sql makes views for DuckDB.
    """
    from bpfrec.analyze.fleet.lake import TRACES, Lake  # noqa: PLC0415

    folder = trace_place(target)
    if isinstance(folder, Path) and folder.is_dir() and any(folder.iterdir()) and not (folder / TRACES).exists():
        raise BpfrecError(f"{target} has files and is no lake", "Name an empty folder, or one that is not there yet.")
    lake = Lake(target)
    progress = Progress(len(traces), "copied")
    faults = []
    done = 0
    try:
        for done, (_, fault) in enumerate(lake.add(traces), 1):
            progress.show(done)
            if fault:
                faults.append(fault)
    except (KeyboardInterrupt, SystemExit) as ending:
        progress.clear()
        note(f"ended by a signal: {done:,} of {len(traces):,} traces were copied; run it again for a whole lake")
        end_now(ending_status(ending))
    progress.clear()
    for fault in faults[:3]:
        note(fault)
    note(f"{target}: {len(traces) - len(faults):,} of {len(traces):,} traces, {lake.bytes_copied:,} bytes")
    if faults:
        raise click.exceptions.Exit(1)


_COMMANDS = {"index": index, "report": report, "sql": sql, "export": export}

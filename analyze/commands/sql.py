"""``bpfrec analyze sql``."""

from __future__ import annotations

import re
import sys
from typing import TextIO

import click

from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import Output, note, output_options, write_lines
from bpfrec.analyze.commands.patience import Patience
from bpfrec.analyze.commands.trace_input import complete_files, without_trace
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.render.escape import printable_lines
from bpfrec.formats.errors import BpfrecError


class _SqlCommand(click.Command):
    """A command that takes an argument with a SQL comment at its head for no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, comments put where options have ended."""
        queries = [arg for arg in args if re.match(r"--\s", arg)]
        return super().parse_args(
            ctx, [*(arg for arg in args if arg not in queries), *(["--"] if queries else []), *queries]
        )


def _query(ctx: click.Context, _: click.Parameter, given: tuple[str, ...]) -> str | None:
    """The query among the arguments; the trace is kept."""
    queries = without_trace(ctx, given)
    if len(queries) > 1:
        raise click.UsageError("Give one query, in quotes.", ctx)
    return queries[0] if queries else None


@click.command("sql", cls=_SqlCommand)
@click.argument("query", nargs=-1, metavar="[TRACE] [QUERY]", callback=_query, shell_complete=complete_files)
@click.option("-c", "--command", "spoken", metavar="QUERY", help="The query, as of duckdb and psql.")
@click.option("-f", "--file", type=click.File(), help="Read the query from a file; -: from standard input.")
@click.option(
    "--allow-files",
    is_flag=True,
    help="Let the query use files, databases, extensions and settings of DuckDB: COPY, read_csv(), ATTACH, INSTALL, "
    "SET. Only for a query that you trust: it has all your rights.",
)
@output_options
@pass_trace
def command(trace: Trace, output: Output, query: str | None, spoken: str | None, file: TextIO | None) -> None:
    """Ask in SQL, DuckDB's dialect; without QUERY and -f, at a prompt, or from standard input if that is no terminal.

    Several statements may stand in a query; the last one that gives rows is printed. "bpfrec analyze schema" lists the
    views. A query reads the trace and nothing else, unless you allow files.
    """
    if sum(given is not None for given in (query, spoken, file)) > 1:
        raise click.UsageError("QUERY, -c and -f are ways to say the same; give one of them.")
    query = query if query is not None else spoken
    if query is None and file is None and sys.stdin.isatty():
        if output.show_sql:
            raise click.UsageError("--sql prints the query it is given; give one.")
        from bpfrec.analyze.commands.prompt import prompt  # noqa: PLC0415

        note(*trace.loss_notes())
        prompt(trace, output)
        return
    script = query if query is not None else _read(file)
    if output.show_sql:
        write_lines([script.strip()])
        return
    note(*trace.loss_notes())
    answer(trace, output, script)


def answer(trace: Trace, output: Output, script: str) -> None:
    """Runs ``script`` and writes the rows of its last statement that gives any."""
    with Patience():
        result = run_script(trace, script)
        if result is None:
            return
        plan = result.columns[:1] == ["explain_key"]
        output.write(result, (lambda r: [printable_lines(row[-1]) for row in r.rows]) if plan else None)


def run_script(trace: Trace, script: str) -> Result | None:
    """Runs every statement of ``script``; the rows of the last one that gives any, or None."""
    last = None
    statements = trace.statements(script)
    for number, statement in enumerate(statements, 1):
        result = trace.run(statement)
        if result is not None:
            last = result
            if number < len(statements):
                # What comes next may change what it is about.
                last.source = last.rows
    return last


def _read(file: TextIO | None) -> str:
    try:
        return (file or sys.stdin).read()
    except UnicodeDecodeError:
        name = file.name if file else "standard input"
        raise BpfrecError(f"{name}: not UTF-8 text", "A query in SQL was expected.") from None

"""The root of the command line."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bpfrec.analyze.commands.analyze import ENTRIES as ASKING
from bpfrec.analyze.commands.lazygroup import Entry, LazyGroup
from bpfrec.analyze.reports import REPORTS
from bpfrec.logs import start_by_environment, verbose_option
from bpfrec.record_live import add_live_option
from bpfrec.record_report import add_report_option

_ENTRIES = {
    "record": Entry("bpfrec.record.command:record", "record the system calls of processes into a trace"),
    "recover": Entry("bpfrec.record.recover.command:recover", "make a trace of what a killed recorder left"),
    "import": Entry("bpfrec.analyze.commands.import_log:command", "make a trace from a log of strace"),
    "analyze": Entry("bpfrec.analyze.commands.analyze:command", "ask a trace: reports, SQL, what it holds"),
    "share": Entry(
        "bpfrec.analyze.commands.share:command", "prepare a trace for a ticket: what may be secret, a copy without it"
    ),
    "report": Entry("bpfrec.analyze.commands.report:command", "short for analyze report: ready-made answers"),
    "sql": Entry("bpfrec.analyze.commands.sql:command", "short for analyze sql: ask in SQL"),
    "fleet": Entry("bpfrec.analyze.commands.fleet:command", "ask many traces one question, wherever they are"),
    "man": Entry("bpfrec.manual:command", "write the manual pages"),
    "completion": Entry("bpfrec.completion:command", "print or install what a shell needs to complete words"),
    "mcp": Entry("bpfrec.analyze.commands.agents:mcp", "serve traces to an AI agent (Model Context Protocol)"),
    "skill": Entry("bpfrec.analyze.commands.agents:skill", "print a SKILL.md for AI agents"),
}


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        import bpfrec  # noqa: PLC0415

        click.echo(f"bpfrec {bpfrec.__version__}")
        ctx.exit()


def _run(arguments: Sequence[str]) -> object:
    return root.main(list(arguments), "bpfrec", standalone_mode=False)


class _Root(LazyGroup):
    """Adds ``-v`` to the commands, so that it may stand before or after their names."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As any of these groups does, but nothing is recorded by a slip."""
        if _is_slip_of_report(args) and not ctx.resilient_parsing:
            name = args[1]
            ctx.fail(f"Did you mean bpfrec report {name}? To record a program called {name}: bpfrec record -- {name}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with that name, imported now."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and all(param.name != "verbose" for param in command.params):
            command.params.append(verbose_option())
        if command is not None and cmd_name == "record":
            add_report_option(command, _run)
            add_live_option(command)
        return command


def _is_slip_of_report(args: Sequence[str]) -> bool:
    """Whether record was written for report: a name of a report follows at once, and not the -- before a command."""
    return len(args) > 1 and args[0] == "record" and args[1] in REPORTS


_ELSEWHERE = {name: f"bpfrec report {name}" for name in REPORTS} | {name: f"bpfrec analyze {name}" for name in ASKING}


@click.group(
    "bpfrec",
    cls=_Root,
    entries=_ENTRIES,
    elsewhere=_ELSEWHERE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def root() -> None:
    """Record what a process asks of the kernel, once; answer every question about it later, offline."""
    start_by_environment()


root.params.append(verbose_option())

"""``bpfrec man``: the manual pages, made of what the commands say of themselves with ``--help``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from bpfrec.analyze.commands.files import has_text, output_file
from bpfrec.analyze.commands.sections import SectionedCommand

_HOME = Path("~/.local/share/man/man1")
_MADE_BY = '.TH "BPFREC'
"""How every page begins."""
_NO_REWRAP = "\b"
_ENVIRONMENT = (
    ("BPFREC_TRACE", "The trace that is asked where none is named."),
    ("BPFREC_SYMBOLS", "Folders with debug files, as of --symbols."),
    ("BPFREC_MEMORY_LIMIT", "Memory that a query may take, as 16GB."),
    ("BPFREC_LOG", "Log lines on standard error: debug, info, warning or error."),
    ("AI_AGENT, BPFREC_AGENT_MODE", "Answers for agents: bounded Markdown, errors as JSON. 0 turns it off, 1 on."),
    ("NO_COLOR", "No colours."),
    ("COLUMNS", "Width of text."),
)


@click.command("man")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=_HOME,
    show_default=True,
    help="The folder that the pages are written to, as /usr/local/share/man/man1.",
)
@click.option("--force", is_flag=True, help="Replace files of these names that are no pages of bpfrec.")
@click.pass_context
def command(ctx: click.Context, folder: Path, force: bool) -> None:
    """Write the manual pages: afterwards "man bpfrec" and "man bpfrec-report-syscount" show them.

    Pages of an older version are replaced.
    """
    import bpfrec  # noqa: PLC0415

    target = folder.expanduser()
    target.mkdir(parents=True, exist_ok=True)
    root = ctx.find_root()
    count = 0
    for name, page in manual_pages(root, bpfrec.__version__):
        path = target / f"{name}.1"
        with output_file(path, force=force or has_text(path, _MADE_BY)) as file:
            file.write(page)
        count += 1
    click.echo(f"bpfrec: wrote {count} pages to {target}", err=True)


def manual_pages(root: click.Context, version: str) -> Iterator[tuple[str, str]]:
    """Name and text (troff, for man(7)) of every page."""
    names = dict(_contexts(root))
    for name, ctx in names.items():
        yield name, _page(name, ctx, version, [other for other in names if other.rpartition("-")[0] == name])


def _contexts(root: click.Context) -> Iterator[tuple[str, click.Context]]:
    pending = [("bpfrec", click.Context(root.command, info_name="bpfrec"))]
    while pending:
        name, ctx = pending.pop(0)
        yield name, ctx
        if not isinstance(ctx.command, click.Group):
            continue
        for child in ctx.command.list_commands(ctx):
            # analyze report is report, and analyze sql is sql.
            if name == "bpfrec-analyze" and child in root.command.list_commands(root):  # type: ignore[attr-defined]
                continue
            command = ctx.command.get_command(ctx, child)
            if command is not None and not command.hidden:
                pending.append((f"{name}-{child}", click.Context(command, info_name=child, parent=ctx)))


def _page(name: str, ctx: click.Context, version: str, children: list[str]) -> str:
    command = ctx.command
    text = (command.help or "").replace("\f", "\n")
    first = " ".join(text.partition("\n\n")[0].split()).rstrip(".")
    lines = [f'{_MADE_BY}{name.upper().removeprefix("BPFREC")}" 1 "" "bpfrec {version}" "bpfrec"', ".nh", ".ad l"]
    lines += [".SH NAME", f"{_escaped(name)} \\- {_escaped(first)}"]
    usage = " ".join(command.collect_usage_pieces(ctx))
    lines += [".SH SYNOPSIS", f"\\fB{_escaped(ctx.command_path)}\\fR {_escaped(usage)}"]
    lines += [".SH DESCRIPTION", *_paragraphs(text)]
    if command.epilog:
        lines += [".PP", _escaped(" ".join(command.epilog.split()))]
    for title, params in _option_groups(ctx):
        records = [record for param in params if (record := param.get_help_record(ctx))]
        lines += [f".SH {title.upper()}"] if records else []
        for flags, meaning in records:
            lines += [".TP", f"\\fB{_escaped(flags)}\\fR", _escaped(" ".join(meaning.split()))]
    entries = getattr(command, "entries", {})
    if entries:
        lines.append(".SH COMMANDS")
        for child, entry in entries.items():
            lines += [".TP", f"\\fB{_escaped(child)}\\fR", _escaped(entry.help)]
    if name == "bpfrec":
        lines.append(".SH ENVIRONMENT")
        for variable, meaning in _ENVIRONMENT:
            lines += [".TP", f"\\fB{variable}\\fR", _escaped(meaning)]
        status = (
            "0: done. 1: failed, with a message. 2: wrong usage. record -- COMMAND exits with the status of COMMAND,"
        )
        lines += [".SH EXIT STATUS", _escaped(f"{status} and with 125 if recording failed.")]
    related = [name.rpartition("-")[0], *children]
    others = [f"\\fB{_escaped(other)}\\fR(1)" for other in related if other]
    if others:
        lines += [".SH SEE ALSO", ", ".join(others)]
    return "\n".join(lines) + "\n"


def _option_groups(ctx: click.Context) -> Iterable[tuple[str, list[click.Parameter]]]:
    if isinstance(ctx.command, SectionedCommand):
        return ctx.command.sections(ctx)
    return [("Options", [param for param in ctx.command.get_params(ctx) if isinstance(param, click.Option)])]


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        if paragraph.strip().startswith(_NO_REWRAP):
            lines = [line.strip() for line in paragraph.splitlines() if line.strip() != _NO_REWRAP]
            yield from (".nf", *(_escaped(line.lstrip(_NO_REWRAP)) for line in lines if line), ".fi")
        else:
            yield _escaped(" ".join(paragraph.split()))


def _escaped(text: str) -> str:
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe

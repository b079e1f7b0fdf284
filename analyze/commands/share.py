"""``bpfrec share``: what in a trace may be secret, and a copy for a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpfrec.analyze.commands.endings import ended_by_signals
from bpfrec.analyze.commands.memory import bounded_memory
from bpfrec.analyze.commands.output import Output, listing_options, note
from bpfrec.analyze.commands.patience import Patience
from bpfrec.analyze.commands.time_limit import bounded_time
from bpfrec.analyze.commands.trace_input import DEFAULT_TRACE, TRACE_PLACE, TRACE_VARIABLE
from bpfrec.formats.remote.uri import Uri

if TYPE_CHECKING:
    from bpfrec.analyze.engine.result import Result
    from bpfrec.analyze.share.columns import Finding
    from bpfrec.analyze.share.share import Shared

_ALL = "all"
_EXAMPLE_LENGTH = 40
_COLUMNS = {
    "class": "VARCHAR",
    "table": "VARCHAR",
    "column": "VARCHAR",
    "done": "VARCHAR",
    "values": "BIGINT",
    "distinct": "BIGINT",
    "examples": "VARCHAR",
}


@click.command("share", epilog="The classes are listed in docs/sharing.md.")
@click.argument("trace", type=TRACE_PLACE, envvar=TRACE_VARIABLE, default=DEFAULT_TRACE)
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="The copy. Without it, only list.")
@click.option(
    "--redact",
    is_flag=False,
    flag_value=_ALL,
    metavar="[CLASSES]",
    help="Replace what may be secret: everything, or these classes (paths,arguments,...).",
)
@click.option("--keep", multiple=True, metavar="WORD", help="A word that is no secret; may be repeated.")
@click.option(
    "--only",
    multiple=True,
    metavar="KIND=VALUE",
    help="Only some calls and what belongs to them: process=PID or NAME, time=FROM..TO, syscall=NAME,...; "
    "may be repeated.",
)
@click.option("--max-size", metavar="SIZE", help="Leave out what makes it larger than SIZE (10M), least needed first.")
@click.option("--dry-run", is_flag=True, help="Only say what would be replaced.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@listing_options
@click.pass_context
def command(
    ctx: click.Context,
    trace: Path | Uri,
    target: Path | None,
    redact: str | None,
    keep: tuple[str, ...],
    only: tuple[str, ...],
    max_size: str | None,
    dry_run: bool,
    force: bool,
    output: Output,
) -> None:
    """Prepare a trace for a ticket: list what may be secret, and write a copy without it.

    The same text gets the same token everywhere in the copy, so that reports still work on it. Look at the list before
    you send the copy: what bpfrec does not know to be public is replaced, but it cannot know all.
    """
    from bpfrec.analyze.facade import Trace  # noqa: PLC0415
    from bpfrec.analyze.share.selection import parse_selection  # noqa: PLC0415
    from bpfrec.analyze.share.share import Wish, share  # noqa: PLC0415
    from bpfrec.analyze.share.size import parse_size  # noqa: PLC0415

    chosen = _classes(redact)
    if target is None and not dry_run and (redact or only or max_size):
        raise click.UsageError("Name the copy with -o FILE, or add --dry-run.")
    ctx.with_resource(ended_by_signals())
    ctx.with_resource(bounded_memory())
    ctx.with_resource(bounded_time())
    with Trace(trace) as opened:
        selection = parse_selection(only, opened)
        wish = Wish(chosen, selection, parse_size(max_size) if max_size else None, frozenset(keep))
        with Patience():
            made = share(opened, wish, None if dry_run else target, force=force)
        output.write(_listing(made.findings))
        note(*opened.remarks, *_remarks(made, target if not dry_run else None, bool(chosen)))


def _classes(redact: str | None) -> frozenset[str]:
    from bpfrec.analyze.share.columns import classes  # noqa: PLC0415

    if redact is None:
        return frozenset()
    names = frozenset(filter(None, redact.split(",")))
    if names == {_ALL}:
        return frozenset(classes())
    unknown = sorted(names - set(classes()))
    if unknown or not names:
        raise click.UsageError(
            f"--redact: {unknown[0] if unknown else redact!r} is no class. There are: {', '.join(classes())}. "
            "For all of them, write --redact=all."
        )
    return names


def _listing(findings: Iterable[Finding]) -> Result:
    from bpfrec.analyze.engine.result import Result  # noqa: PLC0415

    rows = [
        (
            f.name,
            f.table,
            f.column,
            "replaced" if f.replaced else "kept",
            f.values,
            f.distinct,
            ", ".join(_example(value, token, f.replaced) for value, token in f.examples.items()),
        )
        for f in findings
    ]
    return Result(list(_COLUMNS), list(_COLUMNS.values()), rows, "")


def _example(value: str, token: str, replaced: bool) -> str:
    short = [text if len(text) <= _EXAMPLE_LENGTH else f"{text[: _EXAMPLE_LENGTH - 3]}..." for text in (value, token)]
    return f"{short[0]} -> {short[1]}" if replaced else short[0]


def _remarks(made: Shared, target: Path | None, redacted: bool) -> Iterator[str]:
    if made.left_out:
        yield f"left out to make it smaller: {', '.join(made.left_out)}"
    if target is not None and made.size is not None:
        yield f"{target}: {made.calls:,} calls, {made.size:,} bytes"
        if not redacted and made.findings:
            yield "nothing was replaced; add --redact to replace what is listed"

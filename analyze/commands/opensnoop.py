"""``bpfrec analyze report opensnoop``."""

from __future__ import annotations

from itertools import chain
from typing import Any

import click

from bpfrec.analyze.commands.options import Output, name_option, output_options, pass_trace, process_options
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.trace import Trace
from bpfrec.formats.kernel.open_flags import OPEN_FLAGS


class OpenFlag(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """Flags of open(2): names or a number, several joined by ``|``; converts to the bits."""

    name = "flag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bits; a usage error for a name that is no flag."""
        bits = 0
        for part in str(value).split("|"):
            if part.strip() in OPEN_FLAGS:
                bits |= OPEN_FLAGS[part.strip()]
                continue
            try:
                bits |= int(part, 0)
            except ValueError:
                self.fail(f"{part!r} is neither a flag of open(2), as O_WRONLY, nor a number", param, ctx)
        if not 0 < bits < 2**32:
            self.fail(f"{value!r} has no bit that could be set", param, ctx)
        return bits


@click.command("opensnoop")
@click.option("-T", "--timestamp", is_flag=True, help="Show seconds since the first open.")
@click.option("-U", "--print-uid", is_flag=True, help="Show the user id.")
@click.option("-e", "--extended_fields", "extended", is_flag=True, help="Show the flags, octal.")
@click.option("-x", "--failed", is_flag=True, help="Only opens that failed.")
@process_options
@click.option("-u", "--uid", type=click.IntRange(0), metavar="UID", help="Only this user.")
@name_option
@click.option(
    "-f",
    "--flag_filter",
    "flags",
    multiple=True,
    type=OpenFlag(),
    help="Only with this flag, as O_WRONLY; may be repeated.",
)
@click.option(
    "-d", "--duration", type=click.FloatRange(0), metavar="SECONDS", help="Only the first seconds of the recording."
)
@output_options
@pass_trace
def command(
    *,
    trace: Trace,
    output: Output,
    timestamp: bool,
    print_uid: bool,
    extended: bool,
    failed: bool,
    pid: int | None,
    tid: int | None,
    uid: int | None,
    name: str | None,
    flags: tuple[int, ...],
    duration: float | None,
) -> None:
    """Print every open of a file, as bcc's opensnoop does.

    Opens are calls of open, openat, openat2 and creat. -T, -U and -e add columns to the table; json and csv have them
    all.
    """
    from bpfrec.analyze.render import bcc  # noqa: PLC0415

    result = trace.report(
        "opensnoop",
        lazy=True,
        pid=pid,
        tid=tid,
        uid=uid,
        name=name,
        failed=failed,
        flags=list(flags),
        duration_s=duration,
    )
    columns = (timestamp, print_uid, tid is not None, extended)
    header, line = bcc.opensnoop_header(*columns), bcc.opensnoop_line(*columns)
    output.write(result, lambda r: chain([header], map(printable, trace.texts(line, r))))

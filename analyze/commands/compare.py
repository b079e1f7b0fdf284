"""``bpfrec analyze compare``: two traces side by side."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Any

import click

from bpfrec.analyze.commands.filter_options import filter_options
from bpfrec.analyze.commands.output import Output, note, output_options
from bpfrec.analyze.commands.patience import Patience
from bpfrec.analyze.commands.trace_input import TRACE_PLACE, given_trace
from bpfrec.analyze.reports.option_types import Count
from bpfrec.formats.remote.uri import Uri


class _Ratio(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """A number above 1."""

    name = "ratio"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a usage error if it is none, or too small."""
        try:
            ratio = float(value)
        except ValueError:
            ratio = 0.0
        if not 1.0 < ratio < inf:
            self.fail(f"{value!r} is no number above 1", param, ctx)
        return ratio


@click.command("compare")
@click.option(
    "--ratio",
    type=_Ratio(),
    metavar="N",
    default=2.0,
    show_default=True,
    help="Tell what both have if one has it N times as often, or takes N times as long.",
)
@click.option("--exact", is_flag=True, help="Numbers and temporary names in paths count.")
@click.option(
    "--limit",
    "top",
    type=Count(),
    metavar="N",
    default=10,
    show_default=True,
    help="Show at most this many rows of a section of the table; 0 shows all.",
)
@output_options
@click.argument("paths", nargs=-1, type=TRACE_PLACE, metavar="A B")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    paths: tuple[Path | Uri, ...],
    output: Output,
    ratio: float,
    exact: bool,
    top: int,
    **chosen: Any,
) -> None:
    """Show what trace A has that B lacks, and the other way round: for "it works here and fails there".

    \b
    compare good.bpfrec bad.bpfrec
    compare good.bpfrec bad.bpfrec -n server -x

    How processes ended, failures, programs, files, peers, calls, and how long calls took; what is in one trace alone
    first. Recordings of a command are compared as they are, others by the second. Numbers of four digits and more in
    names, and names of temporary files, are * on both sides, for they differ between any two runs.
    """
    given = given_trace(ctx)
    a_and_b = [*([given] if given else []), *paths]
    if len(a_and_b) != 2:
        raise click.UsageError(f"Two traces are compared, and {len(a_and_b)} given.", ctx)
    from bpfrec.analyze.compare.compare import compare  # noqa: PLC0415
    from bpfrec.analyze.facade import Trace  # noqa: PLC0415
    from bpfrec.analyze.render.comparison import Side, comparison  # noqa: PLC0415
    from bpfrec.analyze.reports.call_filter import CallFilter  # noqa: PLC0415

    with ExitStack() as opened:
        traces = [opened.enter_context(Trace(path)) for path in a_and_b]
        opened.enter_context(Patience())
        result = compare(traces[0], traces[1], CallFilter.of(**chosen), ratio=ratio, exact=exact)
        sides = [Side.of(trace.path, trace.manifest) for trace in traces]

        def text(_: object) -> Iterable[str]:
            return comparison(sides, result.dicts(), top, output.width, output.paint)

        output.write(result, text)
        if not result.rows:
            note("nothing differs")


command.params[:0] = filter_options({})

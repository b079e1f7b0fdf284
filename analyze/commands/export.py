"""``bpfrec analyze export``: the trace as a file for another tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bpfrec.analyze.commands.files import output_file
from bpfrec.analyze.commands.filter_options import filter_options, refuse_with_samples
from bpfrec.analyze.commands.options import pass_trace
from bpfrec.analyze.commands.output import note
from bpfrec.analyze.commands.trace_input import trace_argument
from bpfrec.analyze.facade import Trace

_FORMS = {".pftrace": "perfetto", ".perfetto-trace": "perfetto", ".pb.gz": "pprof", ".json": "firefox"}


@click.command("export")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["perfetto", "pprof", "firefox"]),
    help="Default: by the suffix: .pftrace, .pb.gz, .json.",
)
@click.option("--samples", is_flag=True, help="pprof: CPU samples (record --profile) instead of system calls.")
@click.option(
    "--by",
    type=click.Choice(["calls", "time", "failures"]),
    default="calls",
    show_default=True,
    help="pprof: what calls are measured by.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@pass_trace
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    trace: Trace,
    output: Path,
    form: str | None,
    samples: bool,
    by: str,
    force: bool,
    **chosen: Any,
) -> None:
    """Write the trace, or the chosen calls, in the format of another tool.

    \b
    export -o t.pftrace    for https://ui.perfetto.dev: a track for each thread, a slice for each call with its
                           arguments, result and call stack, failures, CPU samples
    export -o t.pb.gz      for pprof: call stacks of system calls, or of --samples
    export -o t.json       for https://profiler.firefox.com: CPU samples, and a marker for each call
    """
    form = form or next((name for suffix, name in _FORMS.items() if output.name.endswith(suffix)), None)
    if form is None:
        raise click.UsageError(
            f"The suffix of {output.name} says no format. Name it .pftrace, .pb.gz or .json, or use --format."
        )
    if form != "pprof" and (samples or by != "calls"):
        raise click.UsageError("--samples and --by are for pprof; the other formats have calls and samples.")
    if samples:
        refuse_with_samples(ctx)
    with output_file(output, force=force, binary=True) as file:
        note(*trace.loss_notes())
        is_pprof = form == "pprof"
        file.writelines(_pprof(trace, samples, by, **chosen) if is_pprof else _timeline(trace, form, **chosen))


def _timeline(trace: Trace, form: str, **chosen: Any) -> Iterator[bytes]:
    from bpfrec.analyze.export.firefox import firefox  # noqa: PLC0415
    from bpfrec.analyze.export.perfetto import perfetto  # noqa: PLC0415
    from bpfrec.analyze.export.source import Source  # noqa: PLC0415

    return {"perfetto": perfetto, "firefox": firefox}[form](Source(trace, **chosen))


def _pprof(trace: Trace, samples: bool, by: str, **chosen: Any) -> Iterator[bytes]:
    from bpfrec.analyze.export.pprof import pprof  # noqa: PLC0415
    from bpfrec.analyze.flame.draw import measured  # noqa: PLC0415
    from bpfrec.analyze.views.recording import wall_offset_ns  # noqa: PLC0415

    flame, _ = measured(trace, samples=samples, by=by, comm=False, call=not samples, **chosen)
    note(*flame.notes)
    manifest = trace.manifest
    start = manifest.start_ns + wall_offset_ns(manifest)
    what = "samples" if samples else by
    yield pprof(flame, what, start, manifest.stop_ns - manifest.start_ns)


command.params += [*filter_options({}), trace_argument()]

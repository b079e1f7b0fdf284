"""A flame graph from a trace to the text of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.flame.folded import folded
from bpfrec.analyze.flame.html_page import html
from bpfrec.analyze.flame.layout import Flame, flame_of
from bpfrec.analyze.flame.speedscope import speedscope
from bpfrec.analyze.flame.svg import svg
from bpfrec.analyze.flame.text import amount_text
from bpfrec.analyze.flame.weights import (
    MeasuredStacks,
    measure_blocked,
    measure_calls,
    measure_long_calls,
    measure_samples,
)
from bpfrec.analyze.reports.call_filter import CALLS_ONLY, CallFilter
from bpfrec.formats.errors import ReportError
from bpfrec.formats.schema import SCHED
from bpfrec.formats.trace_reader import table_rows

_LONG_CALL_NS = 100_000
"""Calls that take so long have probably waited: it is what the report waiting takes for a wait."""


def measured(
    trace: Trace,
    *,
    samples: bool = False,
    by: str = "calls",
    lines: bool = False,
    comm: bool = True,
    call: bool = True,
    **chosen: Any,
) -> tuple[Flame, str]:
    """The flame graph of a trace, and its title. ``chosen`` chooses calls as ``CallFilter.of`` does.

    ``samples``: CPU samples instead of calls; ``by`` is calls (their number) or time. Calls are measured by failures
    and blocked too: the time that their threads waited. The other options are those of
    :func:`bpfrec.analyze.flame.weights.measure_calls`.

    Raises:
        ReportError: nothing that was chosen has a stack, the time between samples is not known, or what is asked of
            samples is about calls.
    """
    if samples:
        _check_samples(by, chosen)
    conditions = CallFilter.of(**chosen).conditions(trace.manifest)
    if by == "blocked":
        stacks, what = _blocked(trace, chosen, comm=comm, call=call, lines=lines)
    elif samples:
        period_ns = _period_ns(trace) if by == "time" else None
        stacks = measure_samples(trace, conditions, period_ns, comm=comm, lines=lines)
        what = "time on CPU" if period_ns else "CPU samples"
    else:
        stacks = measure_calls(trace, conditions, by, comm=comm, call=call, lines=lines)
        what = {"calls": "system calls", "time": "time in system calls", "failures": "failed system calls"}[by]
    if not stacks.values.size:
        raise ReportError(
            f"no {what} with a stack are among what was chosen",
            "; ".join(stacks.notes) or f"Choose others, or record them{' with --profile 99' if samples else ''}.",
        )
    flame = flame_of(stacks)
    return flame, f"{what[0].upper()}{what[1:]} of {trace.path.name}: {amount_text(flame.total, flame.unit)}"


def _blocked(trace: Trace, chosen: Mapping[str, Any], **options: bool) -> tuple[MeasuredStacks, str]:
    """The stacks in which threads were blocked, and what that is called."""
    calls = CallFilter.of(**chosen)
    if not table_rows(trace.manifest).get(SCHED.name, 0):
        conditions = calls.conditions(trace.manifest)
        return measure_long_calls(trace, conditions, _LONG_CALL_NS, **options), "time in long system calls"
    asked = [name for name in ("failed", "path") if chosen.get(name)]
    if asked:
        raise ReportError(f"times off the CPU have no {asked[0]}", "That is about system calls: leave it out.")
    conditions = calls.conditions(trace.manifest, SCHED.name)
    return measure_blocked(trace, conditions, trace.manifest.stop_ns, **options), "time blocked in system calls"


def _check_samples(by: str, chosen: Mapping[str, Any]) -> None:
    asked = [name for name in CALLS_ONLY if chosen.get(name)]
    asked += [f"by {by}"] if by in ("failures", "blocked") else []
    if asked:
        raise ReportError(f"samples have no {asked[0]}", "That is about system calls: leave it out, or the samples.")


def _period_ns(trace: Trace) -> int:
    frequency = trace.manifest.configuration.get("profile_hz")
    if not isinstance(frequency, int) or frequency <= 0:
        raise ReportError("the trace does not say how many samples a second were taken", "Count them: leave out --by.")
    return round(1e9 / frequency)


def drawn(flame: Flame, form: str, title: str) -> Iterable[str]:
    """The lines of the file: ``form`` is svg, html, folded or speedscope."""
    match form:
        case "svg":
            return [svg(flame, title)]
        case "html":
            return [html(flame, title)]
        case "speedscope":
            return speedscope(flame, title, bpfrec.__version__)
    return folded(flame)

"""What all commands share: the trace that they open."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from bpfrec.analyze.commands.endings import ended_by_signals
from bpfrec.analyze.commands.memory import bounded_memory
from bpfrec.analyze.commands.output import note
from bpfrec.analyze.commands.time_limit import bounded_time
from bpfrec.analyze.commands.trace_input import input_options, named_symbols, named_trace, opened_trace
from bpfrec.analyze.facade import Trace

F = TypeVar("F", bound=Callable[..., Any])


def pass_trace(function: F) -> F:
    """Adds ``-i`` and ``--symbols``, opens the trace, gives it to the command as ``trace``, and closes it behind it.

    An option ``allow_files`` of the command is for the trace.
    """

    @input_options
    @click.pass_context
    @wraps(function)
    def command(ctx: click.Context, /, *args: Any, allow_files: bool = False, **kwargs: Any) -> Any:
        trace = opened_trace(ctx)
        if trace is None:
            ctx.with_resource(ended_by_signals())
            ctx.with_resource(bounded_memory())
            ctx.with_resource(bounded_time())
            trace = ctx.with_resource(Trace(named_trace(ctx), named_symbols(ctx), allow_files=allow_files))
        result = function(*args, trace=trace, **kwargs)
        note(*trace.remarks)
        return result

    return command  # type: ignore[return-value]

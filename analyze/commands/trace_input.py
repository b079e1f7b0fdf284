"""Which trace a command asks: ``-i`` in any place, the trace as an argument, ``$BPFREC_TRACE``, or ``trace.bpfrec``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from bpfrec.formats.remote.uri import Uri, trace_place

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TRACE = "trace.bpfrec"
TRACE_VARIABLE = "BPFREC_TRACE"
_SUFFIX = ".bpfrec"
_SYMBOLS_VARIABLE = "BPFREC_SYMBOLS"
_INPUT = "bpfrec.input"
_SYMBOLS = "bpfrec.symbols"
_OPENED = "bpfrec.opened"


class _TracePlace(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """The name of a trace: a path, or an address."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | Uri:  # noqa: ARG002
        """Path or address."""
        return trace_place(value)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Files."""
        return complete_files(ctx, param, incomplete)


TRACE_PLACE = _TracePlace()


def complete_files(_ctx: click.Context, _param: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Lets the shell complete names of files, for options and arguments that may be one."""
    return [CompletionItem(incomplete, type="file")]


def input_options(function: F) -> F:
    """Adds ``-i`` and ``--symbols``. Groups and commands have them; what is given to any of them holds."""

    @click.option(
        "-i",
        "--input",
        "input_path",
        type=TRACE_PLACE,
        multiple=True,
        metavar="TRACE",
        expose_value=False,
        is_eager=True,
        callback=_keep_input,
        help="The trace: a .bpfrec file, the folder one was unzipped to, or an address (http, https, s3, gs, abfs). -i "
        "may be left out.  "
        f"[default: ${TRACE_VARIABLE}, else {DEFAULT_TRACE}]",
    )
    @click.option(
        "--symbols",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        multiple=True,
        metavar="DIR",
        expose_value=False,
        callback=_keep_symbols,
        help="Folder with debug files, for names of functions and source lines: /usr/lib/debug, a cache of debuginfod, "
        f"or any folder with ELF files; may be repeated.  [default: ${_SYMBOLS_VARIABLE}]",
    )
    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return command  # type: ignore[return-value]


def named_trace(ctx: click.Context) -> Path | Uri:
    """The trace that the command line, or else the environment, names."""
    return given_trace(ctx) or trace_place(os.environ.get(TRACE_VARIABLE) or DEFAULT_TRACE)


def given_trace(ctx: click.Context) -> Path | Uri | None:
    """The trace that the command line names."""
    given: Path | Uri | None = ctx.meta.get(_INPUT)
    return given


def use_trace(ctx: click.Context, trace: Any) -> None:
    """Lets a command ask ``trace``, which is not a file that it could open."""
    ctx.meta[_OPENED] = trace


def opened_trace(ctx: click.Context) -> Any:
    """What :func:`use_trace` was given; None: the command opens the trace that is named."""
    return ctx.meta.get(_OPENED)


def named_symbols(ctx: click.Context) -> tuple[Path, ...]:
    """The folders with debug files that the command line, or else the environment, names."""
    given: tuple[Path, ...] = ctx.meta.get(_SYMBOLS, ())
    named = os.environ.get(_SYMBOLS_VARIABLE, "")
    return given or tuple(Path(part) for part in named.split(os.pathsep) if part)


def keep_trace(ctx: click.Context, name: str | Path | Uri) -> None:
    """Notes that the command line names this trace.

    Raises:
        click.UsageError: it has named another one already.
    """
    before: Path | Uri | None = ctx.meta.get(_INPUT)
    if before is not None and before != trace_place(name):
        raise click.UsageError(f"Two traces are given, {before} and {name}, and a command reads one.", ctx)
    ctx.meta[_INPUT] = trace_place(name)


def is_trace(argument: str) -> bool:
    """Whether an argument is the name of a trace: it ends as one, is an address, or is a folder with a
    manifest.
    """
    if argument.endswith(_SUFFIX) or isinstance(trace_place(argument), Uri):
        return True
    from bpfrec.formats.manifest import MANIFEST  # noqa: PLC0415

    try:
        return (Path(argument) / MANIFEST).is_file()
    except (OSError, ValueError):
        # A query is longer than a name can be.
        return False


def without_trace(ctx: click.Context, arguments: Iterable[str]) -> list[str]:
    """``arguments`` but for the name of a trace, which is kept."""
    rest = []
    for argument in arguments:
        if is_trace(argument):
            keep_trace(ctx, argument)
        else:
            rest.append(argument)
    return rest


def trace_argument() -> click.Argument:
    """The argument of commands that take no other: the trace."""

    def keep(ctx: click.Context, _: click.Parameter, given: str | None) -> None:
        if given is None:
            return
        if not is_trace(given) and not Path(given).exists():
            raise click.UsageError(f"{given!r} is neither a trace nor an option.", ctx)
        keep_trace(ctx, given)

    return click.Argument(
        ["trace_path"],
        required=False,
        metavar="[TRACE]",
        expose_value=False,
        callback=keep,
        shell_complete=complete_files,
    )


def _keep_input(ctx: click.Context, _: click.Parameter, given: Sequence[Path | Uri]) -> None:
    for path in given:
        keep_trace(ctx, path)


def _keep_symbols(ctx: click.Context, _: click.Parameter, given: Sequence[Path]) -> None:
    if given:
        ctx.meta[_SYMBOLS] = tuple(given)

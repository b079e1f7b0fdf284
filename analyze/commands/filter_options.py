"""The options that choose calls: the same for all reports and for flame graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import click
from click.core import ParameterSource

from bpfrec.analyze.commands.choice_types import Calls, Ids, Pids, Users
from bpfrec.analyze.reports.call_filter import CALLS_ONLY
from bpfrec.analyze.reports.option_types import refused_option

_TIME = "MOMENT"
USUAL: Mapping[str, Sequence[str]] = {
    "pid": ("-p", "--pid"),
    "tid": ("-t", "--tid"),
    "uid": ("-u", "--uid"),
    "name": ("-n", "--name"),
    "syscall": ("--syscall", "-e"),
    "failed": ("-x", "--failed"),
    "path": ("--path",),
    "since": ("--from",),
    "until": ("--to",),
}
"""How the options are spelt unless a report says otherwise."""


def filter_options(
    flags: Mapping[str, Sequence[str]], taken: Sequence[str] = (), refused: Mapping[str, str] | None = None
) -> list[click.Option]:
    """click's options for :meth:`bpfrec.analyze.reports.call_filter.CallFilter.of`.

    ``flags``: other spellings by the name of the option, empty for an option that is not offered. ``taken``: spellings
    that the report's own options have. ``refused``: why an option is not offered, by its name; it is not in the help,
    and whoever gives it is told.
    """
    spelt = {name: [flag for flag in usual if flag not in taken] for name, usual in USUAL.items()} | dict(flags)
    options = (
        ("pid", Pids("PID"), "PID", "Only this process, or these: 1,2."),
        ("tid", Ids("TID"), "TID", "Only this thread, or these."),
        ("uid", Users(), "USER", "Only this user, or these: a number, or a name of this machine."),
        ("name", str, "COMM", "Only threads whose name contains COMM."),
        ("syscall", Calls(), "CALLS", "Only these calls: openat,read, 'open*', %net, '!futex' (all others)."),
        ("failed", bool, None, "Only calls that failed."),
        ("path", str, "GLOB", "Only calls about a path like this: '/etc/*', '*.conf', passwd."),
        (
            "since",
            str,
            _TIME,
            "Only calls that begin then or later: 1.5 or 500ms from the start, 10:03:15 (UTC), event:1234.",
        ),
        ("until", str, _TIME, "Only calls that begin before this time."),
    )
    refusing = [
        refused_option([flag for flag in USUAL[name] if flag not in taken], why, is_flag=name == "failed", hidden=True)
        for name, why in (refused or {}).items()
    ]
    offered = [
        click.Option(
            [*spelt[name], name],
            type=kind,
            metavar=metavar,
            multiple=name in _SEVERAL,
            is_flag=name == "failed",
            callback=_joined if name in ("pid", "tid", "uid") else None,
            help=text,
        )
        for name, kind, metavar, text in options
        if spelt[name]
    ]
    return offered + refusing


def refuse_with_samples(ctx: click.Context, names: Sequence[str] = ()) -> None:
    """Refuses options beside ``--samples`` that are about calls: those that choose them, ``--by``, but for ``--by
    time``, and those that are called ``names``.

    Raises:
        click.UsageError: one was given.
    """
    for name in (*CALLS_ONLY, "by", *names):
        if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE or ctx.params[name] == "time":
            continue
        option = next(param for param in ctx.command.params if param.name == name).opts[0]
        given = f"{option} {ctx.params[name]}" if name == "by" else option
        raise click.UsageError(f"{given} is about system calls, and --samples is not.", ctx)


_SEVERAL = ("pid", "tid", "uid", "syscall", "path")


def _joined(_ctx: click.Context, _param: click.Parameter, values: Any) -> tuple[int, ...]:
    """The values of an option that was given several times, each of them a list."""
    return tuple(chain.from_iterable(values or ()))

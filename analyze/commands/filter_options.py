"""The options that choose calls: the same for all reports and for flame graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from bpfrec.analyze.reports.option_types import SyscallName

_TIME = "MOMENT"


def filter_options(flags: Mapping[str, Sequence[str]]) -> list[click.Option]:
    """click's options for :meth:`bpfrec.analyze.reports.call_filter.CallFilter.of`.

    ``flags``: other spellings by the name of the option, empty for an option that is not offered.
    """
    usual = {
        "pid": ("-p", "--pid"),
        "tid": ("-t", "--tid"),
        "uid": ("-u", "--uid"),
        "name": ("-n", "--name"),
        "syscall": ("--syscall",),
        "failed": ("-x", "--failed"),
        "since": ("--from",),
        "until": ("--to",),
    }
    spelt = usual | dict(flags)
    number = click.IntRange(0)
    options = (
        ("pid", number, "PID", "Only this process; may be repeated."),
        ("tid", number, "TID", "Only this thread; may be repeated."),
        ("uid", number, "UID", "Only this user; may be repeated."),
        ("name", str, "COMM", "Only threads whose name contains COMM."),
        ("syscall", SyscallName(), "NAME", "Only this system call; may be repeated."),
        ("failed", bool, None, "Only calls that failed."),
        ("since", str, _TIME, "Only calls from then on: seconds from the start (1.5), or a UTC time (10:03:15)."),
        ("until", str, _TIME, "Only calls before then."),
    )
    return [
        click.Option(
            [*spelt[name], name],
            type=kind,
            metavar=metavar,
            multiple=name in ("pid", "tid", "uid", "syscall"),
            is_flag=name == "failed",
            help=text,
        )
        for name, kind, metavar, text in options
        if spelt[name]
    ]

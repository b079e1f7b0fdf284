"""Types of options on the command line: what users write, and what reports get."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import click

TOP_HELP = "Show at most this many rows; 0 shows all."


def top_option(default: int) -> click.Option:
    """``-T/--top``, an int."""
    return click.Option(
        ["-T", "--top"], type=click.IntRange(0), metavar="N", default=default, show_default=True, help=TOP_HELP
    )


class SyscallName(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """The name of a system call, checked against those that a trace can have."""

    name = "syscall"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as given; a usage error if no system call has it."""
        from bpfrec.analyze.views.tables import is_syscall  # noqa: PLC0415
        from bpfrec.formats.kernel.syscalls import syscalls  # noqa: PLC0415

        if not is_syscall(value):
            near = get_close_matches(value, syscalls(), n=3)
            self.fail(
                f"no system call is called {value!r}{'; near it: ' + ', '.join(near) if near else ''}", param, ctx
            )
        return str(value)


class ErrnoNumber(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """An error, as a name (ENOENT) or a number (2 or -2); converts to the positive number."""

    name = "errno"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The positive number; a usage error if there is no such error."""
        from bpfrec.formats.kernel.errnos import MAX_ERRNO, errno_numbers  # noqa: PLC0415

        if isinstance(value, int):
            return value
        number = errno_numbers().get(value.upper())
        if number is None and value.lstrip("-").isdigit():
            number = abs(int(value))
        if number is None or not 0 < number <= MAX_ERRNO:
            self.fail(f"{value!r} is neither the name nor the number of an error", param, ctx)
        return number


class OpenFlag(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """Flags of open(2): names or a number, several joined by ``|``; converts to the bits."""

    name = "flag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bits; a usage error for a name that is no flag."""
        from bpfrec.formats.kernel.open_flags import OPEN_FLAGS  # noqa: PLC0415

        bits = 0
        for part in str(value).split("|"):
            if part.strip() in OPEN_FLAGS:
                bits |= OPEN_FLAGS[part.strip()]
                continue
            try:
                bits |= int(part, 0)
            except ValueError:
                self.fail(f"{part!r} is neither a flag of open(2), as O_WRONLY, nor a number", param, ctx)
        if not 0 <= bits < 2**32:
            self.fail(f"{value!r} is no number of 32 bits", param, ctx)
        return bits

"""Types of options that choose calls: lists of ids, of users, of system calls; with completion from the trace."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from bpfrec.analyze.commands.completion import calls_in_trace, processes_in_trace
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.units import whole_number

_MOST = 2**32 - 1


class Ids(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """Numbers, several with commas between them."""

    name = "ids"

    def __init__(self, what: str) -> None:
        self._what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers; a usage error for anything else."""
        if not isinstance(value, str):
            return tuple(value)
        return tuple(self._number(part.strip(), param, ctx) for part in value.split(","))

    def _number(self, part: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = whole_number(part, _MOST)
        if number is None:
            self.fail(f"{part!r} is no {self._what}: give a number, or several as 1,2", param, ctx)
        return number


def _last_of_list(incomplete: str) -> tuple[str, str]:
    """What stands before the last of several with commas between them, and that one, as far as it is written."""
    head, comma, last = incomplete.rpartition(",")
    return head + comma, last


class Pids(Ids):
    """Process ids."""

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The processes of the trace that the command line names so far."""
        lead, last = _last_of_list(incomplete)
        return [
            CompletionItem(f"{lead}{pid}", help=comm)
            for pid, comm in processes_in_trace(ctx)
            if str(pid).startswith(last)
        ]


class Users(Ids):
    """User ids, or names of users of this machine."""

    def __init__(self) -> None:
        super().__init__("user")

    def _number(self, part: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = whole_number(part, _MOST)
        if number is not None:
            return number
        if part == "root":
            return 0
        try:
            import pwd  # noqa: PLC0415

            return pwd.getpwnam(part).pw_uid
        except (ImportError, KeyError, ValueError):
            self.fail(
                f"no user is called {part!r} on this machine; if the trace is from another one, give the number",
                param,
                ctx,
            )


class Calls(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """A list of system calls in strace's notation; it stays text."""

    name = "calls"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The list as given; a usage error if it cannot be read."""
        from bpfrec.formats.kernel.call_lists import parse_call_list  # noqa: PLC0415

        option = param.opts[0] if param is not None else "--syscall"
        try:
            parse_call_list(str(value), option)
        except BpfrecError as error:
            self.fail(f"{error.message.removeprefix(f'{option}: ')}. {error.hint}".strip(), param, ctx)
        return str(value)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The calls of the trace, or all calls where there is none, and the classes."""
        lead, last = _last_of_list(incomplete)
        return [CompletionItem(f"{lead}{name}") for name in calls_in_trace(ctx) if name.startswith(last)]

"""A click group that imports a command when it is called, not before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher, get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from bpfrec.analyze.commands.trace_input import complete_files, is_trace, keep_trace
from bpfrec.formats.imports import interruptible_imports

_AS_NEAR = 0.1
"""Names whose likeness differs by less are equally near."""


class Entry(NamedTuple):
    """A command: where it is (``package.module:attribute``) and its one line in the list of commands."""

    target: str
    help: str


class LazyGroup(click.Group):
    """A group over an explicit list of commands, in the order of that list.

    ``takes_trace``: a trace may stand before the command. ``elsewhere``: how to call what a user may look for here, by
    the name that they would use.
    """

    def __init__(
        self,
        *args: Any,
        entries: Mapping[str, Entry],
        takes_trace: bool = False,
        elsewhere: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.entries = dict(entries)
        self._takes_trace = takes_trace
        self._elsewhere = dict(elsewhere or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of the commands."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, attribute = entry.target.split(":")
        with interruptible_imports():
            command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with those that are near it, and ``help`` shows the help."""
        if args[0] == "help" and "help" not in self.entries:
            if ctx.resilient_parsing:
                return self.resolve_command(ctx, args[1:]) if args[1:] else (None, None, [])
            if not args[1:]:
                click.echo(ctx.get_help())
                ctx.exit()
            args = [*args[1:], "--help"]
        if self._takes_trace and args[0] not in self.entries and is_trace(args[0]):
            keep_trace(ctx, args.pop(0))
            if not args:
                if ctx.resilient_parsing:
                    return None, None, []
                ctx.fail(f"Which command? There are: {', '.join(self.entries)}.")
        if args[0] not in self.entries and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. {self._advice(args[0])}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, or files where a trace may stand before them, and options; nothing is imported for it."""
        found = [
            CompletionItem(name, help=entry.help) for name, entry in self.entries.items() if name.startswith(incomplete)
        ]
        found += click.Command.shell_complete(self, ctx, incomplete)
        return found or (complete_files(ctx, None, incomplete) if self._takes_trace else [])

    def _advice(self, name: str) -> str:
        if name in self._elsewhere:
            return f"Did you mean {self._elsewhere[name]}?"
        near = _nearest(name, self.entries)
        if near:
            return f"Did you mean {' or '.join(near)}?"
        beside = get_close_matches(name, self._elsewhere, n=3, cutoff=0.75)
        if beside:
            return f"Did you mean {' or '.join(self._elsewhere[one] for one in beside)}?"
        return f"There are: {', '.join(self.entries)}."

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the list without importing what is in it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names that ``name`` is most like, and no others: who misspells report is not told of record."""
    near = {one: SequenceMatcher(None, name, one).ratio() for one in get_close_matches(name, known, n=3, cutoff=0.6)}
    return [one for one, ratio in near.items() if ratio > max(near.values()) - _AS_NEAR]

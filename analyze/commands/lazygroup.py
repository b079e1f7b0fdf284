"""A click group that imports a command when it is called, not before."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click

from bpfrec.formats.imports import interruptible_imports


class Entry(NamedTuple):
    """A command: where it is (``package.module:attribute``) and its one line in the list of commands."""

    target: str
    help: str


class LazyGroup(click.Group):
    """A group over an explicit list of commands, in the order of that list."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = dict(entries)

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
        """As click does, but an unknown name is answered with those that are near it."""
        if args[0] not in self.entries and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.entries, n=3, cutoff=0.5)
            advice = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(self.entries)}."
            ctx.fail(f"No such command {args[0]!r}. {advice}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the list without importing what is in it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

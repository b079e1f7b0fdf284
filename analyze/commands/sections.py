"""A command whose ``--help`` has its options in groups: its own, those that choose calls, those of every answer."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.reports.call_filter import FILTERS

_ANSWER = ("form", "show_sql", "answer_file", "force", "input_path", "symbols")
TITLES = ("Options", "Options that choose calls", "The answer and the trace")
"""Of the groups, in their order."""


class SectionedCommand(click.Command):
    """A command with the options of all reports, which would hide its own among them."""

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[click.Parameter]]]:
        """The title of each group, and its options; what is refused stands behind the others."""
        groups: dict[str, list[click.Parameter]] = {title: [] for title in TITLES}
        for param in self.get_params(ctx):
            if not isinstance(param, click.Option):
                continue
            is_own = param.name not in (*FILTERS, *_ANSWER) and "--help" not in param.opts
            groups[TITLES[0 if is_own else 1 if param.name in FILTERS else 2]].append(param)
        groups[TITLES[0]].sort(key=_is_refused)
        yield from groups.items()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the groups."""
        for title, params in self.sections(ctx):
            records = [record for param in params if (record := param.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _is_refused(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and (param.help or "").startswith("Refused:")

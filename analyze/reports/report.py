"""What a report is: what it computes, which options it has, and what its text looks like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import Painter
from bpfrec.analyze.render.text_columns import TextColumn, text_table

if TYPE_CHECKING:
    import click

    from bpfrec.analyze.engine.protocols import Queries

Options = dict[str, Any]
Item = TypeVar("Item")


class Counter:
    """Counts rows while they are read."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def through(self, rows: Iterable[Item]) -> Iterator[Item]:
        """``rows``, counted as they are read."""
        self._seen = 0
        for row in rows:
            self._seen += 1
            yield row

    @property
    def is_zero(self) -> bool:
        """Whether rows were read to their end, and there was none."""
        return self._seen == 0


@dataclass(frozen=True)
class Answer:
    """What the text of a report is made of.

    ``options`` are those of the command line by name, ``width`` the columns of the terminal (None: no limit),
    ``paint`` what adds colours, if the output is a terminal. ``counter`` counts the rows of ``result`` as they are
    read; a text that is made of others has to lead them through it.
    """

    trace: Queries
    result: Result
    options: Mapping[str, Any]
    width: int | None
    paint: Painter | None = None
    counter: Counter = field(default_factory=Counter)

    def lines(self, line: str, queries: Sequence[str] = ()) -> Iterator[str]:
        """A line for each row, made by DuckDB, which is faster where there may be millions.

        ``line``: its SQL, from the columns of the rows. ``queries`` give the rows in parts; without any, the result's.
        """
        parts = (f"SELECT {line} FROM ({query})" for query in queries or [self.result.sql])  # noqa: S608 - both are SQL
        rows = (row for part in parts for row in self.trace.query(part, lazy=True))
        return (printable(text) for (text,) in self.counter.through(rows))

    @property
    def can_be_asked_again(self) -> bool:
        """Whether another query can give the rows: they are not here yet, and do not come while they are recorded."""
        return not self.result.grows and not isinstance(self.result.source, list)

    def table(self, columns: Sequence[TextColumn]) -> Iterator[str]:
        """The lines of a table of the rows."""
        return text_table(columns, self.result.records(), self.width, self.paint)


def in_columns(columns: Sequence[TextColumn]) -> Callable[[Answer], Iterator[str]]:
    """A :attr:`Report.text` that is a table."""
    return lambda answer: answer.table(columns)


@dataclass(frozen=True)
class Report:
    """A report. Its name is that of its module, with - for _.

    - ``compute(trace, calls, **options)`` gives the rows; ``calls`` is a CallFilter, the options are those of the
      Python API.
    - ``help``: the text of ``--help``.
    - ``text`` makes the lines of ``--format table``.
    - ``options``: click's options beside those that choose calls. One whose name ``compute`` has is given to it; the
      others are for ``text`` alone.
    - ``flags``: how an option that chooses calls is spelt here if not as everywhere, by its name in
      :data:`bpfrec.analyze.reports.call_filter.FILTERS`; empty: this report has no such option, and ``refuses`` has
      the reason, unless an option of its own has that spelling.
    - ``settle`` checks the options of the command line together, ``format`` and ``show_sql`` among them, and may add to
      them. It raises click.UsageError.
    - ``remarks``: what a reader of the text should know besides; it goes to standard error.
    - ``usage``: a line that explains an argument at the end of the help.
    - ``streams``: each row is one call and needs no other, so it can be shown as soon as the call is recorded;
      ``needs_all``: options for which that is not so, by name.
    - ``empty``: what is said of a text without rows, if it is not about calls.
    """

    compute: Callable[..., Result]
    help: str
    text: Callable[[Answer], Iterable[str]]
    options: Sequence[click.Parameter] = ()
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refuses: Mapping[str, str] = field(default_factory=dict)
    settle: Callable[[Options], Options] = dict
    remarks: Callable[[Answer], Iterable[str]] = lambda _: ()
    usage: str | None = None
    empty: str | None = None
    streams: bool = False
    needs_all: Sequence[str] = ()

    def option_names(self) -> list[str]:
        """The options that ``compute`` has beside the filter."""
        return list(inspect.signature(self.compute).parameters)[2:]

    def filter_names(self, names: Iterable[str]) -> list[str]:
        """Those of the filter's ``names`` that this report takes."""
        return [name for name in names if self.flags.get(name, (name,))]

    def names(self, filters: Iterable[str]) -> set[str]:
        """All that a query of this report may be given: those of ``filters`` that it takes, and its own options."""
        return {*self.filter_names(filters), *self.option_names()}

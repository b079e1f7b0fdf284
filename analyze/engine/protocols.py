"""What the engine asks of its surroundings, and what it offers: protocols, so that no import leads back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bpfrec.analyze.engine.result import Result
from bpfrec.formats.manifest import Manifest

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from bpfrec.analyze.engine.view import ComputedTable, View


class Queries(Protocol):
    """Asks a trace in SQL. Reports get it, and so does the code that fills a computed table.

    Every method raises BpfrecError if its SQL is wrong or fails.
    """

    @property
    def manifest(self) -> Manifest:
        """What the trace says about its own making."""

    def query(self, sql: str, notes: Sequence[str] = (), *, lazy: bool = False) -> Result:
        """The rows of one query, with ``notes``; see :meth:`bpfrec.analyze.engine.engine.Engine.query`."""

    def arrow(self, sql: str) -> pa.Table:
        """The rows of one query as an Arrow table, all in memory."""

    def execute(self, script: str) -> None:
        """Runs statements and drops their rows."""

    def append(self, table: str, rows: pa.Table) -> None:
        """Appends ``rows`` to a table, column by column."""


class Session(Queries, Protocol):
    """What fills a computed table gets."""

    @property
    def identity(self) -> str | None:
        """Tells the trace from all others; None: its tables can be changed while its manifest stays the same."""

    def batches(self, sql: str, rows: int) -> Iterator[pa.Table]:
        """The rows of one query, about ``rows`` at a time. They are to be read before the next query."""

    def define(
        self, name: str, function: Callable[[pa.ChunkedArray], pa.Array], parameters: Sequence[str], result: str
    ) -> None:
        """Makes a SQL function of one for columns of Arrow, in place of the macro of that name.

        ``parameters``, ``result``: SQL types.
        """


@dataclass(frozen=True)
class SqlFunction:
    """A SQL function that is made when a query names it.

    ``make`` adds it to a session. ``view``: the key of a view that it reads with all deferred columns. ``computed``:
    the table that it looks things up in.
    """

    name: str
    make: Callable[[duckdb.DuckDBPyConnection], object]
    view: str | None = None
    computed: ComputedTable | None = None


class Library(Protocol):
    """The views and functions that queries can name. A view of schema main is known by its name, others by
    SCHEMA.NAME.
    """

    @property
    def main(self) -> Sequence[str]:
        """The views of schema main."""

    @property
    def calls(self) -> Sequence[str]:
        """The views of schema sys that are listed, without the schema: one for each system call in the trace, within
        bounds.
        """

    def is_call(self, name: str) -> bool:
        """Whether schema sys can have a view of that name, also if the trace has no such call."""

    def view(self, key: str) -> View:
        """The view with all its columns.

        Raises:
            TraceFileError: its table is damaged.
        """

    def functions(self, text: str) -> Iterable[SqlFunction]:
        """The functions that ``text`` names, those before that others need; all if it asks for DuckDB's list of
        them.
        """

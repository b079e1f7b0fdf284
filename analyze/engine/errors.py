"""DuckDB's errors as bpfrec's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bpfrec.formats.errors import BpfrecError

_HINT_LINES = 6


@contextmanager
def sql_errors() -> Iterator[None]:
    """Turns errors of DuckDB into BpfrecError, with its further lines as the hint, and Ctrl-C into
    KeyboardInterrupt.
    """
    import duckdb  # noqa: PLC0415

    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        # Ctrl-C comes as a RuntimeError from a relation and as an InterruptException from the rest.
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        message, _, rest = str(error).partition("\n")
        hint = "\n".join(line for line in rest.splitlines()[:_HINT_LINES] if line.strip())
        raise BpfrecError(message, hint) from None

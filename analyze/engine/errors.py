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
    except (duckdb.InterruptException, RuntimeError, OSError) as error:
        # Ctrl-C comes as a RuntimeError from a relation, as an OSError from Arrow's reader of an answer, and as an
        # InterruptException from the rest.
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from None
        if not isinstance(error, OSError) or error.errno is not None:
            raise
        raise _failed(error) from None
    except (duckdb.Error, MemoryError) as error:
        raise _failed(error) from None


def _failed(error: Exception) -> BpfrecError:
    message, _, rest = str(error).partition("\n")
    if isinstance(error, MemoryError) or message.startswith("Out of Memory Error"):
        return BpfrecError(
            "this takes more memory than is allowed",
            "Ask for fewer columns or rows, or allow more: BPFREC_MEMORY_LIMIT=16GB",
        )
    hint = "\n".join(line for line in rest.splitlines()[:_HINT_LINES] if line.strip())
    return BpfrecError(message, hint)

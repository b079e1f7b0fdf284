"""DuckDB's errors as bpfrec's."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bpfrec.analyze.engine.remote_tables import failure_behind
from bpfrec.formats.errors import BpfrecError, TraceFileError

_HINT_LINES = 6
OWN_ERROR = "bpfrec: "
"""How a text begins that a query of ours gives to error(): it is shown as it is, without DuckDB's name for it."""
_OWN_PREFIX = f"Invalid Input Error: {OWN_ERROR}"
_REFUSED = (
    re.compile(r'Cannot access (?:file|directory) (".*?") - file system operations are disabled', re.DOTALL),
    re.compile(r"(Loading external extensions) is disabled through configuration"),
    re.compile(r'Cannot change (configuration option "\w+") - the configuration has been locked'),
)
"""What DuckDB says of what a locked session may not do."""
_SPILLED, _NO_ROOM = "duckdb_temp", os.strerror(errno.ENOSPC)
"""What DuckDB says where the disk has no room for what does not fit into memory: the name of its file, and why."""
_TOO_LARGE = re.compile(
    r"(?:Conversion Error: Type \w+ with value|Out of Range Error:).*?(?:out of range|overflow)", re.I
)
"""What DuckDB says of numbers that do not fit: times and sums of a trace whose values make no sense."""


def files_refused(what: str) -> BpfrecError:
    """The error for ``what``, which needs a session that allows files."""
    return BpfrecError(
        f"{what} is not allowed: a query reads the trace and nothing else",
        "For a query that you trust: bpfrec analyze sql --allow-files, in Python bpfrec.open(..., allow_files=True)",
    )


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
        if not isinstance(error, OSError) or (error.errno is not None and not failure_behind(error)):
            raise
        raise _failed(error) from None
    except (duckdb.Error, MemoryError) as error:
        raise _failed(error) from None


def damage(error: Exception, trace: str, name: str) -> TraceFileError:
    """The error for the table ``name`` of ``trace``, which DuckDB could not read; KeyboardInterrupt comes of Ctrl-C."""
    import duckdb  # noqa: PLC0415

    if isinstance(error, duckdb.InterruptException):
        raise KeyboardInterrupt from None
    cause = str(error).splitlines()[0]
    return failure_behind(error) or TraceFileError(f"{trace}: {name} is damaged: {cause}", "Ask for the file again.")


def _failed(error: Exception) -> BpfrecError:
    if failure := failure_behind(error):
        return failure
    message, _, rest = str(error).partition("\n")
    if message.startswith(_OWN_PREFIX):
        return BpfrecError(message.removeprefix(_OWN_PREFIX))
    if (short := _too_little_room(error, message)) is not None:
        return short
    if _TOO_LARGE.match(message):
        return BpfrecError(
            f"a number in this trace is too large for what is asked: {message.partition(': ')[2]}",
            "Such values are those of a damaged trace. In SQL of your own, a sum that is cast to DOUBLE takes them.",
        )
    for pattern in _REFUSED:
        if refused := pattern.search(str(error)):
            return files_refused(refused[1])
    hint = "\n".join(line for line in rest.splitlines()[:_HINT_LINES] if line.strip())
    return BpfrecError(message, hint)


def _too_little_room(error: Exception, message: str) -> BpfrecError | None:
    """The error for a query that neither memory nor the disk has room for; None: it failed for something else."""
    if isinstance(error, MemoryError) or message.startswith("Out of Memory Error"):
        return BpfrecError(
            "this takes more memory than is allowed",
            "Ask for fewer columns or rows, or allow more: BPFREC_MEMORY_LIMIT=16GB",
        )
    if _SPILLED in message and _NO_ROOM in message:
        return BpfrecError(
            f"this takes more memory than is allowed, and {tempfile.gettempdir()} has no room for the rest",
            "Ask for fewer columns or rows, name another folder in TMPDIR, or allow more: BPFREC_MEMORY_LIMIT=16GB",
        )
    return None

"""Tables of a trace that is elsewhere, as files that DuckDB reads by ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.remote.cached_object import RangeFile
from bpfrec.formats.remote.remote_reader import ADDRESS_SCHEME, RemoteTraceReader

if TYPE_CHECKING:
    import duckdb

_MARKED = re.compile("\x02(.*?)\x03(.*?)\x04", re.DOTALL)
_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


def serve_tables(connection: duckdb.DuckDBPyConnection, reader: RemoteTraceReader) -> None:
    """Lets ``connection`` open the addresses of the tables of ``reader``, and no others."""
    from fsspec import AbstractFileSystem  # noqa: PLC0415

    class Tables(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
        """What DuckDB asks of a file system."""

        protocol = ADDRESS_SCHEME
        cachable = False

        def open(self, path: str, mode: str = "rb", **_: Any) -> _MarkedFile:  # noqa: ARG002
            return _MarkedFile(_marking(reader.open_address, path))

        def glob(self, path: str, **_: Any) -> list[str]:
            return [path]

        def exists(self, path: str, **_: Any) -> bool:
            return path in reader.addresses()

        isfile = exists

        def isdir(self, path: str) -> bool:  # noqa: ARG002
            return False

        def size(self, path: str) -> int:
            return int(_marking(reader.open_address, path).seek(0, 2))

        def modified(self, path: str) -> datetime:  # noqa: ARG002
            # The reader sees to it that the file stays the same.
            return _ALWAYS

    connection.register_filesystem(Tables())


def failure_behind(error: Exception) -> TraceFileError | None:
    """The failure to read a table that DuckDB raised ``error`` for; None if it is another error."""
    found = _MARKED.search(str(error))
    return TraceFileError(found[1], found[2]) if found else None


class _MarkedFile:
    """A file whose failures can be found in the text that DuckDB makes of them."""

    def __init__(self, file: RangeFile) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        content: bytes = _marking(self._file.read, size)
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()


def _marking(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except TraceFileError as error:
        raise OSError(f"\x02{error.message}\x03{error.hint}\x04") from None

"""A file that is elsewhere, of which every block is read once at most."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import BinaryIO

from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.remote.source import Source
from bpfrec.formats.remote.uri import WEB_SCHEMES, Uri

BLOCK_BYTES = 1 << 14
WHOLE_BYTES = 1 << 20
"""A file of at most so many bytes is read whole when more than its first bytes are needed."""

_REQUEST_BYTES = 8 << 20
"""The most that is asked for at once. It is held in memory."""


def _source_of(uri: Uri) -> Source:
    # Most traces are files here, and these imports take as long as their answers.
    if uri.scheme in WEB_SCHEMES:
        from bpfrec.formats.remote.web_source import WebSource  # noqa: PLC0415

        return WebSource(uri)
    from bpfrec.formats.remote.store_source import StoreSource  # noqa: PLC0415

    return StoreSource(uri)


class CachedObject:
    """The file at ``uri``. What is read of it is kept in a temporary file that has no name.

    ``requests``: ranges asked for, the first bytes among them; ``bytes_read``: how many bytes they gave. Any thread may
    read.

    Raises:
        TraceFileError: there is no such file, it is refused, or the server fails.
    """

    def __init__(self, uri: Uri) -> None:
        self.uri = uri
        self._lock = threading.Lock()
        self._source = _source_of(uri)
        self._kept = self._temporary()
        try:
            self.bytes_read = self._source.begin(self._kept)
            self._kept.flush()
        except OSError as error:
            raise self._no_room(error) from None
        self.requests = 1
        self._has = bytearray(-(-self.size // BLOCK_BYTES))
        self._mark(0, self.bytes_read)

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._source.size

    @property
    def version(self) -> str:
        """What changes with its content: the ETag, or when it was last modified; '' if the server says neither."""
        return self._source.version

    def read(self, start: int, length: int) -> bytes:
        """The bytes from ``start`` on, fewer where the file ends.

        Raises:
            TraceFileError: it has changed or gone, or the server fails.
        """
        end = min(start + length, self.size)
        if start >= end:
            return b""
        with self._lock:
            wanted = (0, self.size) if self.size <= WHOLE_BYTES else (start, end)
            # A small file is read in one go, but not for what is there already.
            for first, last in list(self._lacking(start, end)) and list(self._lacking(*wanted)):
                self._fetch(first, last)
            return os.pread(self._kept.fileno(), end - start, start)

    def file(self, start: int = 0, length: int | None = None) -> RangeFile:
        """A part of it as a file of its own."""
        return RangeFile(self, start, self.size - start if length is None else length)

    def close(self) -> None:
        """Ends the connection, and drops what was kept."""
        self._source.close()
        self._kept.close()

    def _lacking(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges of whole blocks that have to be read for a range; none is longer than one request may be."""
        first, last = start // BLOCK_BYTES, -(-end // BLOCK_BYTES)
        at = self._has.find(0, first, last)
        while at >= 0:
            there = self._has.find(1, at, last)
            stop = min(there if there >= 0 else last, at + _REQUEST_BYTES // BLOCK_BYTES)
            yield at * BLOCK_BYTES, min(stop * BLOCK_BYTES, self.size)
            at = self._has.find(0, stop, last)

    def _fetch(self, start: int, end: int) -> None:
        content = self._source.read(start, end - start)
        self.requests += 1
        self.bytes_read += len(content)
        try:
            os.pwrite(self._kept.fileno(), content, start)
        except OSError as error:
            raise self._no_room(error) from None
        self._mark(start, end)

    def _mark(self, start: int, end: int) -> None:
        last = len(self._has) if end >= self.size else end // BLOCK_BYTES
        first = start // BLOCK_BYTES
        self._has[first:last] = b"\x01" * (last - first)

    def _temporary(self) -> BinaryIO:
        try:
            return TemporaryFile(prefix="bpfrec-")
        except OSError as error:
            raise self._no_room(error) from None

    def _no_room(self, error: OSError) -> TraceFileError:
        return TraceFileError(
            f"{self.uri}: what was read of it cannot be kept: {error.strerror or error}",
            "Set TMPDIR to a folder with room.",
        )


class RangeFile(io.RawIOBase):
    """A range of a file that is elsewhere, as a file of its own. Each thread has its own place in it."""

    def __init__(self, whole: CachedObject, start: int, size: int) -> None:
        super().__init__()
        self._whole, self._start, self._size = whole, start, size
        # DuckDB seeks and reads in several threads at a time.
        self._place = threading.local()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As any file does."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._place.at = max(base + offset, 0)
        return self.tell()

    def tell(self) -> int:
        """The place of this thread."""
        at: int = getattr(self._place, "at", 0)
        return at

    def read(self, size: int = -1) -> bytes:
        """The bytes at the place of this thread.

        Raises:
            TraceFileError: the file has changed or gone, or the server fails.
        """
        at = self.tell()
        left = max(self._size - at, 0)
        content = self._whole.read(self._start + at, left if size < 0 else min(size, left))
        self._place.at = at + len(content)
        return content

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

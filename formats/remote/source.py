"""What reads a file that is elsewhere, and how its failures are told."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.remote.uri import Uri

HEAD_BYTES = 1 << 16
"""What is read first. The manifest of a trace, and its table of losses, are in it."""


class Source(Protocol):
    """Reads one file that is elsewhere. A change of the file while it is read is an error.

    ``size``: in bytes. ``version``: a text that changes with the content: the ETag where there is one. Both are known
    once it has begun.
    """

    size: int
    version: str

    def begin(self, target: BinaryIO) -> int:
        """Writes the first bytes into ``target``, and returns how many: all if it cannot read ranges.

        Raises:
            TraceFileError: there is no such file, it is refused, or the server fails.
        """

    def read(self, start: int, length: int) -> bytes:
        """The bytes of a range that is within the file.

        Raises:
            TraceFileError: it has changed or gone, or the server fails.
        """

    def close(self) -> None:
        """Ends the connection."""


def missing(uri: Uri) -> TraceFileError:
    """The error for a file that is not there."""
    return TraceFileError(f"{uri}: no such trace", "It was never there, or it has been removed or moved.")


def refused(uri: Uri, cause: str, hint: str) -> TraceFileError:
    """The error where the server does not let this user read."""
    return TraceFileError(f"{uri}: access is refused: {cause}", hint)


def changed(uri: Uri) -> TraceFileError:
    """The error for a file that was replaced while it was read."""
    return TraceFileError(f"{uri}: it was replaced while it was read", "Ask again.")


def unreadable(uri: Uri, cause: str) -> TraceFileError:
    """The error where the server cannot be reached, or does not answer as it should."""
    return TraceFileError(
        f"{uri}: it cannot be read: {cause}", "Check the address and the network, or try again later."
    )

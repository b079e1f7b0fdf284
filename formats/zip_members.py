"""Bounds on the zip that a trace is: what is read of it before anything in it is trusted."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import IO

ZIP_ERRORS = (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What a damaged file can make zipfile raise."""

MANIFEST_BYTES = 16 << 20
"""More than a command line of the greatest length takes."""

DIRECTORY_BYTES = 1 << 20
"""More than the directory of a zip with all tables takes. Python reads a large one for minutes."""

_END_BYTES = 22 + (1 << 16) + 20 + 56
"""The end of a zip in which its last records are: a comment of any length, and those of large files."""
_ZIP64 = (1 << 32) - 1


def directory_bytes(file: IO[bytes]) -> int:
    """The size that a zip gives for its directory; 0 if none is found.

    Its last record says so (APPNOTE 4.3.16), or for a large file the one before (4.3.14), which a locator leads to.
    """
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(size - _END_BYTES, 0))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return 0
    found = int.from_bytes(tail[at + 12 : at + 16], "little")
    if found == _ZIP64 and tail[max(at - 20, 0) : at][:4] == b"PK\x06\x07":
        record = int.from_bytes(tail[at - 12 : at - 4], "little") - start
        found = int.from_bytes(tail[record + 40 : record + 48], "little") if record >= 0 else found
    return found

"""Names that were found once, kept beside the user's other caches: to find them takes longer than most questions.

What is kept belongs to a trace by the checksums of its tables, and to this version of what finds names. Everything that
is damaged, or that others can have put there, is as good as nothing.
"""

from __future__ import annotations

import io
import logging
import os
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pyarrow as pa

from bpfrec.analyze.names.codes import Codes32
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kept_files import KeptFiles, UnsafeError

VARIABLE = "BPFREC_CACHE"
"""Environment variable: ``off``, or a folder, in which names are kept in a folder of their own."""

Names = tuple[Codes32, pa.Table]
"""What the call in each row is about, as a code, in the order of the rows, and the rows of ``computed.names``."""

_log = logging.getLogger(__name__)

_OFF = "off"
_LARGEST, _MOST_BYTES, _MOST_FILES = 256 << 20, 1 << 30, 256
_ROWS = 1 << 20
_SCHEMA = pa.schema([("code", pa.int32())])
_SOURCES = ("bpfrec.analyze.names", "bpfrec.formats.kernel", "bpfrec.formats.numeric")


def kept(trace: str) -> Names | None:
    """The names of a trace, known by ``trace``; None if none are kept that can be trusted."""
    folder = _folder()
    if folder is None:
        return None
    try:
        return _unpacked(folder.get(_name(trace)))
    except FileNotFoundError:
        return None
    except (OSError, UnsafeError, pa.ArrowException, KeyError, ValueError) as error:
        _log.info("the kept names are not used: %s", error)
        return None


def keep(trace: str, names: Names) -> None:
    """Keeps the names of a trace; if that fails, the log says why."""
    folder = _folder()
    if folder is None:
        return
    try:
        folder.put(_name(trace), _packed(names))
    except (OSError, UnsafeError) as error:
        _log.info("the names are not kept: %s", error)


def _folder() -> KeptFiles | None:
    """Where names are kept; None: nowhere.

    Raises:
        BpfrecError: the variable names neither a folder by its whole path nor ``off``.
    """
    named = os.environ.get(VARIABLE, "")
    if named == _OFF or not hasattr(os, "geteuid"):
        return None
    if named:
        folder = Path(named)
        if not folder.is_absolute() or ".." in folder.parts:
            raise BpfrecError(
                f"{VARIABLE} is {named!r}, which is no folder",
                f"Name a folder by its whole path, or say {VARIABLE}={_OFF}",
            )
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
        folder = caches / "bpfrec"
        # What the specification says of a path that is not whole: it is to be ignored.
        if not caches.is_absolute():
            home = os.environ.get("HOME", "")
            if not Path(home).is_absolute():
                return None
            folder = Path(home) / ".cache" / "bpfrec"
    return KeptFiles(folder / "names", os.geteuid(), _LARGEST, _MOST_FILES, _MOST_BYTES)


def _name(trace: str) -> str:
    return sha256(f"{trace} {_version()}".encode()).hexdigest()


@cache
def _version() -> str:
    """Changes with everything that says what a name is."""
    digest = sha256()
    for source in _SOURCES:
        for file in sorted(files(source).iterdir(), key=lambda one: one.name):
            if file.name.endswith((".py", ".sql", ".tsv")):
                digest.update(f"{file.name} ".encode() + file.read_bytes())
    return digest.hexdigest()


def _packed(names: Names) -> bytes:
    codes, texts = names
    packed = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(packed, _SCHEMA, options=options) as writer:
        for begin in range(0, len(codes), _ROWS):
            writer.write_batch(pa.record_batch([pa.array(codes[begin : begin + _ROWS])], schema=_SCHEMA))
    with pa.ipc.new_stream(packed, texts.schema, options=options) as writer:
        writer.write_table(texts)
    return packed.getvalue()


def _unpacked(data: bytes) -> Names:
    packed = pa.BufferReader(data)
    codes = pa.ipc.open_stream(packed).read_all()["code"].to_numpy()
    return codes, pa.ipc.open_stream(packed).read_all()

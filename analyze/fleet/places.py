"""Which traces a folder, a prefix of a store, or a list of names means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import MANIFEST
from bpfrec.formats.remote.store_source import file_system, store_error
from bpfrec.formats.remote.uri import STORE_SCHEMES, Uri, trace_place

SUFFIX = ".bpfrec"


@dataclass(frozen=True)
class Found:
    """A trace that was found: its name, and what the listing says of it: size in bytes, last change in ns since the
    epoch; None where it does not say.
    """

    trace: str
    size: int | None = None
    modified_ns: int | None = None


def find_traces(named: str) -> Iterator[Found]:
    """The traces that ``named`` means: all ``.bpfrec`` below a folder or a prefix of a store, one trace, or those that
    a list names, one a line (``-``: standard input).

    Raises:
        BpfrecError: there is no such folder, prefix or list, or it cannot be read.
    """
    if named == "-":
        yield from _listed(sys.stdin.read())
        return
    place = trace_place(named)
    if isinstance(place, Uri):
        if place.scheme in STORE_SCHEMES and not place.name.endswith(SUFFIX):
            yield from _below_prefix(place)
        else:
            yield Found(named)
    elif place.suffix == SUFFIX or (place / MANIFEST).is_file():
        yield _local(place)
    elif place.is_dir():
        for path in sorted(place.rglob(f"*{SUFFIX}")):
            yield _local(path)
    else:
        try:
            text = place.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            cause = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise BpfrecError(
                f"{named}: {cause}", "Name a folder, a prefix of a store, or a file that lists traces, one a line."
            ) from None
        yield from _listed(text)


def _listed(text: str) -> Iterator[Found]:
    for line in text.splitlines():
        name = line.strip()
        if name and not name.startswith("#"):
            place = trace_place(name)
            yield Found(name) if isinstance(place, Uri) else _local(place)


def _local(path: Path) -> Found:
    try:
        status = path.stat()
    except OSError:
        # Why it cannot be read is said where it is opened.
        return Found(str(path))
    return Found(str(path), status.st_size, status.st_mtime_ns)


def _below_prefix(uri: Uri) -> Iterator[Found]:
    import pyarrow.fs  # noqa: PLC0415

    try:
        system, path = file_system(uri)
        infos = system.get_file_info(pyarrow.fs.FileSelector(path, recursive=True))
    except OSError as error:
        raise store_error(uri, error) from None
    base, _, query = uri.text.partition("?")
    head = base[: len(base.rstrip("/")) - len(path.rstrip("/"))]
    for info in sorted(infos, key=lambda info: info.path):
        if info.type == pyarrow.fs.FileType.File and info.path.endswith(SUFFIX):
            yield Found(f"{head}{info.path}{'?' if query else ''}{query}", info.size, info.mtime_ns)

"""``--save-binaries``: the files that recorded processes executed code from, into the trace."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Any, BinaryIO

import pyarrow as pa

from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.arrow import arrow_schema
from bpfrec.formats.schema import BINARIES, BINARY_PARTS
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.stacks.modules import Modules

MOST_BYTES = 1 << 30
"""The most bytes of all saved files together."""

_PART = 1 << 20
_PARTS_AT_ONCE = 8


class BinaryWriter:
    """Writes the files that ``modules`` holds to ``writer``: the smallest first, and the same content once.

    ``saved`` and ``bytes``: files and bytes that were saved. ``left_out``: files that were not.
    """

    def __init__(self, writer: TraceWriter, modules: Modules, most: int = MOST_BYTES) -> None:
        self._writer, self._modules, self._most = writer, modules, most
        self._known: dict[str, int] = {}
        self.saved = self.bytes = self.left_out = 0

    def write(self, mappings: Iterable[Mapping]) -> None:
        """Saves the files behind ``mappings``."""
        files: dict[int, tuple[int, BinaryIO, Mapping]] = {}
        for mapping in mappings:
            file = self._modules.file(mapping)
            if file is not None and id(file) not in files:
                files[id(file)] = (file.seek(0, os.SEEK_END), file, mapping)
        for number, (size, file, mapping) in enumerate(sorted(files.values(), key=lambda f: (f[0], f[2].path))):
            digest, status = self._save(number, file, size)
            self.left_out += status is not None and not status.startswith("same-as-")
            row = {
                "binary_id": number,
                "path": mapping.path,
                "build_id": self._modules.build_id(mapping),
                "sha256": digest,
                "size": size,
                "status": status,
            }
            self._writer.write_rows(BINARIES, [row])

    def _save(self, number: int, file: BinaryIO, size: int) -> tuple[str | None, str | None]:
        """The file's SHA-256 and its status; each may be None."""
        if self.bytes + size > self._most:
            return None, "too-large"
        try:
            digest = _digest(file, size)
            if digest in self._known:
                return digest, f"same-as-{self._known[digest]}"
            again = self._write_parts(number, file, size)
        except OSError:
            return None, "unreadable"
        self.bytes += size
        if again != digest:
            return None, "changed"
        self._known[digest] = number
        self.saved += 1
        return digest, None

    def _write_parts(self, number: int, file: BinaryIO, size: int) -> str:
        digest = hashlib.sha256()
        file.seek(0)
        for start in range(0, size, _PART * _PARTS_AT_ONCE):
            rows: list[dict[str, Any]] = []
            for position in range(start, min(size, start + _PART * _PARTS_AT_ONCE), _PART):
                part = file.read(min(_PART, size - position))
                digest.update(part)
                rows.append({"binary_id": number, "position": position, "bytes": part})
            self._writer.write(BINARY_PARTS, pa.Table.from_pylist(rows, schema=arrow_schema(BINARY_PARTS)))
        return digest.hexdigest()


def _digest(file: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (part := file.read(min(_PART, size))):
        digest.update(part)
        size -= len(part)
    return digest.hexdigest()

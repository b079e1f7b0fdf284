"""The manifest as the first member of a zip, although it tells the checksums of all that follow.

A file that was cut short still has it, and it says what is missing. It is written with room for the numbers that are
not known yet, and once more when they are.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace

from bpfrec.formats.manifest import MANIFEST, Manifest, TableEntry


class LeadingManifest:
    """Writes a place for ``manifest`` into ``archive``, which is empty and on a file that can be rewritten.

    ``rows``: those of each table that the manifest will list. ``most_bytes``: all of them together are not
    larger.
    """

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest, rows: Mapping[str, int], most_bytes: int) -> None:
        self._archive = archive
        entries = {name: TableEntry(count, most_bytes, "0" * 64, most_bytes) for name, count in rows.items()}
        longest = replace(manifest, tables=entries).to_json().encode()
        self._size = len(longest)
        archive.writestr(MANIFEST, b" " * self._size)

    def fill(self, manifest: Manifest) -> None:
        """Writes ``manifest``, with all its tables, into that place. The archive is to be closed next.

        Raises:
            ValueError: it has more tables, or other texts.
        """
        content = manifest.to_json().encode()
        if len(content) > self._size:
            raise ValueError("the manifest has become longer")
        content = content.ljust(self._size)
        info, file = self._archive.getinfo(MANIFEST), self._archive.fp
        if file is None:
            raise ValueError("the archive is closed")
        info.CRC = zlib.crc32(content)
        file.seek(info.header_offset)
        file.write(info.FileHeader() + content)

"""The members of a trace file: each is a table, stored without compressing it again."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable

from bpfrec.formats.manifest import TableEntry


def store_table(archive: zipfile.ZipFile, name: str, blocks: Iterable[bytes], rows: int) -> TableEntry:
    """Stores the Parquet file that ``blocks`` are as the member ``name``, and returns its entry in the manifest."""
    digest, size = hashlib.sha256(), 0
    with archive.open(name, "w", force_zip64=True) as member:
        # The header of the member is written by now.
        offset = archive.fp.tell() if archive.fp else None
        for block in blocks:
            digest.update(block)
            member.write(block)
            size += len(block)
    return TableEntry(rows, size, digest.hexdigest(), offset)

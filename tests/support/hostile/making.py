"""How hostile traces are made: from a good one that has rows in every table, changed and sealed again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats import schema
from bpfrec.formats.arrow import arrow_schema
from bpfrec.formats.manifest import MANIFEST

SAMPLES = Path(__file__).parents[3] / "sample_traces"
EVIL = (
    "\x1b]0;owned\x07\x1b[31m\x9b2J\r\n\t\x00\x7f\u202e\u2028"
    "'\"; DROP TABLE x; --</text><script>alert(7)</script>[bold]"
)
"""A name that tries to be an escape sequence, SQL, a line, a string's end, markup, and text from right to left."""

_ROWS = 1_000
"""Of the largest tables: all questions are asked of every trace."""

Make = Callable[[Path], Path]
HOSTILE: dict[str, Make] = {}

_OWN_ROWS: dict[str, list[dict[str, Any]]] = {
    "timespecs": [{"event_id": 1, "arg": 0, "tv_sec": 1, "tv_nsec": 2}],
    "data": [{"event_id": 1, "arg": 1, "position": 0, "bytes": b"abc"}],
    "jit_symbols": [{"pid": 1, "address": 4096, "size": 10, "name": "jit"}],
    "losses": [{"kind": "ring-full", "severity": "data_loss", "count": 1, "remedy": "none"}],
    "binaries": [{"binary_id": 0, "path": "/bin/x", "build_id": "ab", "size": 4}],
    "binary_parts": [{"binary_id": 0, "position": 0, "bytes": b"\x7fELF"}],
}
"""For tables that no sample trace has rows of."""


def good(folder: Path) -> None:
    """Puts the members of a good trace into ``folder``."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(SAMPLES / "build.bpfrec") as archive:
        archive.extractall(folder)
    for sample, names in (("running", ("samples",)), ("exchange", ("sockaddrs", "arrays"))):
        with zipfile.ZipFile(SAMPLES / f"{sample}.bpfrec") as archive:
            for name in names:
                archive.extract(f"{name}.parquet", folder)
    for name in ("syscalls", "frames"):
        pq.write_table(pq.read_table(folder / f"{name}.parquet").slice(0, _ROWS), folder / f"{name}.parquet")
    for table in schema.TABLES:
        if table.name in _OWN_ROWS:
            columns = arrow_schema(table)
            rows = [{k: v for k, v in row.items() if k in columns.names} for row in _OWN_ROWS[table.name]]
            pq.write_table(pa.Table.from_pylist(rows, columns), folder / table.member)


def sealed(folder: Path) -> Path:
    """The zip of the members in ``folder``, with a manifest that has their sizes and sums."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for member in sorted(folder.glob("*.parquet")):
        content = member.read_bytes()
        try:
            rows = pq.read_metadata(member).num_rows
        except (pa.ArrowException, OSError):
            rows = 1
        entry = {"rows": rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        manifest["tables"][member.stem] = entry
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return zipped(folder)


def zipped(folder: Path) -> Path:
    """The zip of what is in ``folder``, as it is."""
    target = folder.parent / "trace.bpfrec"
    with zipfile.ZipFile(target, "w") as archive:
        for member in sorted(folder.iterdir()):
            archive.write(member, member.name)
    return target


def of_tables(change: Callable[[Path], None]) -> Make:
    """Registers a hostile trace whose tables, or members of any kind, ``change`` has changed in a folder."""

    def make(folder: Path) -> Path:
        good(folder / "members")
        change(folder / "members")
        return sealed(folder / "members")

    return _registered(change.__name__, make)


def of_manifest(change: Callable[[dict[str, Any]], None]) -> Make:
    """Registers a hostile trace whose manifest ``change`` has changed."""

    def make(folder: Path) -> Path:
        good(folder / "members")
        sealed(folder / "members")
        path = folder / "members" / MANIFEST
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))
        return zipped(folder / "members")

    return _registered(change.__name__, make)


def of_file(change: Callable[[Path, Path], None]) -> Make:
    """Registers a hostile trace: ``change`` gets the folder with good members, and the file that it has to write."""

    def make(folder: Path) -> Path:
        good(folder / "members")
        sealed(folder / "members")
        target = folder / "trace.bpfrec"
        change(folder / "members", target)
        return target

    return _registered(change.__name__, make)


def _registered(name: str, make: Make) -> Make:
    assert name not in HOSTILE, name
    HOSTILE[name] = make
    return make

"""The binaries that a recording saved, unpacked when a query requires them.

The trace may come from a stranger, so what it says of itself is checked, and sizes are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import bundled_sql
from bpfrec.formats.remote.remote_reader import RemoteTraceReader
from bpfrec.formats.schema import BINARIES, BINARY_PARTS
from bpfrec.formats.trace_reader import TraceReader, table_rows

_MOST_BYTES = 4 << 30
_MOST_TIMES = 50
"""How many times as large as its table all unpacked files may be. Code is compressed to a third, zeros to nothing."""
_ALWAYS_BYTES = 64 << 20
"""What may be unpacked in any case."""
_MOST_PARTS = 100_000
_LARGEST_PART = 1 << 20
"""As the format says."""


class SavedBinaries:
    """The saved files in the trace of ``reader``, unpacked into the folder that ``folder`` makes when one is asked for.

    ``remarks`` gets what the user has to be told.
    """

    def __init__(self, reader: TraceReader | RemoteTraceReader, folder: Callable[[], str], remarks: list[str]) -> None:
        self._reader, self._folder, self._remarks = reader, folder, remarks
        self._paths: dict[str, list[Path]] | None = None

    @property
    def exist(self) -> bool:
        """Whether the trace has any."""
        rows = table_rows(self._reader.manifest)
        return rows.get(BINARIES.name, 0) > 0 and rows.get(BINARY_PARTS.name, 0) > 0

    def find(self, build_id: str, queries: Queries) -> Iterator[BinaryIO]:
        """The files with that build id (hex), open. The caller closes them."""
        if self._paths is None:
            folder = self._folder() if self.exist else ""
            self._paths = self._unpacked(folder, queries) if folder else {}
        for path in self._paths.get(build_id, ()):
            yield path.open("rb")

    def _unpacked(self, folder: str, queries: Queries) -> dict[str, list[Path]]:
        """Unpacks the files that frames are in; their paths by build id."""
        wanted = {
            number: (build_id, size) for number, build_id, size in queries.query(bundled_sql("wanted_binaries")).rows
        }
        parquet = self._reader.parquet(BINARY_PARTS)
        if parquet is None:
            return {}
        left = min(_MOST_BYTES, max(_ALWAYS_BYTES, _MOST_TIMES * parquet.stat().st_size))
        paths: dict[str, list[Path]] = {}
        at: dict[int, int] = {}
        for number, position, part in self._parts(parquet):
            if number not in wanted or position != at.get(number, 0):
                continue
            if len(part) > left:
                self._remarks.append("saved binaries are left out: they would be far larger than the trace")
                break
            path = Path(folder) / f"binary-{number}"
            try:
                with path.open("ab") as file:
                    file.write(part)
            except OSError as error:
                self._remarks.append(f"{folder}: saved binaries cannot be unpacked: {error.strerror}")
                return {}
            left -= len(part)
            at[number] = position + len(part)
        for number, (build_id, size) in wanted.items():
            if number in at and at[number] == size:
                paths.setdefault(build_id, []).append(Path(folder) / f"binary-{number}")
        return paths

    def _parts(self, parquet: Path) -> Iterator[tuple[int, int, bytes]]:
        """The parts of all files: number of the file, offset, bytes. One that is larger than the format allows ends
        them.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            with pq.ParquetFile(parquet, buffer_size=_LARGEST_PART, pre_buffer=False) as file:
                if file.metadata.num_rows > _MOST_PARTS:
                    raise ValueError("there are too many parts")
                # One row at a time: equal parts are stored once, so a small file can hold a great many of them.
                for batch in file.iter_batches(batch_size=1, columns=[c.name for c in BINARY_PARTS.columns]):
                    if batch.nbytes > 2 * _LARGEST_PART:
                        raise ValueError("a part is too large")
                    for row in batch.to_pylist():
                        number, position, part = (row[c.name] for c in BINARY_PARTS.columns)
                        if isinstance(number, int) and isinstance(position, int) and isinstance(part, bytes):
                            yield number, position, part
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            self._remarks.append(f"saved binaries are damaged: {str(error).splitlines()[0]}")

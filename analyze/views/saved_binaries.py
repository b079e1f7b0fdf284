"""The files that a recording saved, taken out of the trace where a question needs them.

The trace may be a stranger's: what it says of itself is compared with what is in it, and bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bpfrec.analyze.engine.sqltemplate import bundled_sql
from bpfrec.formats.schema import BINARIES, BINARY_PARTS
from bpfrec.formats.trace_reader import TraceReader, table_rows

if TYPE_CHECKING:
    from bpfrec.analyze.trace import Trace

_MOST_BYTES = 4 << 30
_LARGEST_GROUP = 1 << 28


class SavedBinaries:
    """The files in the trace that ``reader`` reads, unpacked into ``folder`` once one is asked for."""

    def __init__(self, trace: Trace, reader: TraceReader, folder: str) -> None:
        self._trace, self._reader, self._folder = trace, reader, folder
        self._paths: dict[str, list[Path]] | None = None

    @property
    def exist(self) -> bool:
        """Whether the trace has any."""
        rows = table_rows(self._trace.manifest)
        return rows.get(BINARIES.name, 0) > 0 and rows.get(BINARY_PARTS.name, 0) > 0

    def find(self, build_id: str) -> Iterator[BinaryIO]:
        """Those of that build id (hex), open; the caller closes them."""
        if self._paths is None:
            self._paths = self._unpacked() if self.exist and self._folder else {}
        for path in self._paths.get(build_id, ()):
            yield path.open("rb")

    def _unpacked(self) -> dict[str, list[Path]]:
        """The files of those that frames are of, by build id."""
        wanted = {
            number: (build_id, size)
            for number, build_id, size in self._trace.query(bundled_sql("wanted_binaries")).rows
        }
        left = _MOST_BYTES
        paths: dict[str, list[Path]] = {}
        at: dict[int, int] = {}
        for number, position, part in self._parts():
            if number not in wanted or position != at.get(number, 0) or len(part) > left:
                continue
            path = Path(self._folder) / f"binary-{number}"
            try:
                with path.open("ab") as file:
                    file.write(part)
            except OSError as error:
                self._trace.remarks.append(f"{self._folder}: saved binaries cannot be unpacked: {error.strerror}")
                return {}
            left -= len(part)
            at[number] = position + len(part)
        for number, (build_id, size) in wanted.items():
            if number in at and at[number] == size:
                paths.setdefault(build_id, []).append(Path(self._folder) / f"binary-{number}")
        return paths

    def _parts(self) -> Iterator[tuple[int, int, bytes]]:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self._reader.parquet(BINARY_PARTS)
        if path is None:
            return
        try:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    if file.metadata.row_group(group).total_byte_size > _LARGEST_GROUP:
                        continue
                    table = file.read_row_group(group, columns=[c.name for c in BINARY_PARTS.columns])
                    for row in table.to_pylist():
                        number, position, part = (row[c.name] for c in BINARY_PARTS.columns)
                        if isinstance(number, int) and isinstance(position, int) and isinstance(part, bytes):
                            yield number, position, part
        except (OSError, pa.ArrowException, KeyError) as error:
            self._trace.remarks.append(f"saved binaries are damaged: {str(error).splitlines()[0]}")

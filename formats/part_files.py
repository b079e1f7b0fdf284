"""Parts of tables: Parquet files that are joined when the trace is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats.arrow import parquet_writer, written_schema
from bpfrec.formats.arrow_kernels import cast_to
from bpfrec.formats.columns import Table


@dataclass
class PartFiles:
    """Writes a file in ``folder`` for each table that has rows, named after the table and ``tag``.

    ``rows``: written so far, by table. Disk errors come as OSError.
    """

    folder: Path
    tag: str
    rows: dict[str, int] = field(default_factory=dict)
    _files: dict[str, IO[bytes]] = field(default_factory=dict)
    _writers: dict[str, pq.ParquetWriter] = field(default_factory=dict)

    def write(self, table: Table, rows: pa.Table) -> None:
        """Appends ``rows``, whose columns are those of ``table``, as one row group."""
        if not rows.num_rows:
            return
        if table.name not in self._writers:
            file = self._files[table.name] = self.path(table).open("xb")
            self._writers[table.name] = parquet_writer(table, file)
        # Arrow writes no dictionary if two chunks of a row group have different ones.
        self._writers[table.name].write_table(
            cast_to(rows, written_schema(table)).unify_dictionaries(), row_group_size=rows.num_rows
        )
        self.rows[table.name] = self.rows.get(table.name, 0) + rows.num_rows

    def path(self, table: Table) -> Path:
        """The file for ``table``."""
        return self.folder / f"{table.name}.{self.tag}.part"

    def close(self) -> None:
        """Writes the footers: from then on, the files can be read."""
        for writer in self._writers.values():
            writer.close()
        for file in self._files.values():
            file.close()
        self._writers.clear()
        self._files.clear()

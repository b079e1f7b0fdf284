"""The Spark data source ``bpfrec``: ``spark.read.format("bpfrec").load(PLACE)``. Importing it needs Spark 4.

Filters are not taken from Spark (``pushFilters``): in Spark 4.3 a DataFrame keeps those of its first query, and a later
query without any gets too few rows. The options ``where`` and ``sql`` choose traces and rows instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

from bpfrec.analyze.fleet.spark_reading import Reading, Wanted
from bpfrec.formats.errors import BpfrecError


class BpfrecSource(DataSource):  # type: ignore[misc] # Spark is not installed where types are checked
    """Answers of many traces as one table. Its first column, ``trace``, says which trace a row is from."""

    @classmethod
    def name(cls) -> str:
        """What ``format()`` is given."""
        return "bpfrec"

    def schema(self) -> str:
        """The columns of the answer of the first trace that gives one."""
        return self._reading().ddl()

    def reader(self, schema: Any) -> _Reader:
        """What reads them. ``schema``: the columns, as Spark has parsed them, or as the user has given them.

        Raises:
            BpfrecError: the user has given others.
        """
        reading = self._reading()
        if list(schema.fieldNames()) != reading.columns:
            raise BpfrecError(
                f"the columns are {', '.join(reading.columns)}", "Give no schema; option('columns', 'a, b') chooses."
            )
        return _Reader(reading)

    def _reading(self) -> Reading:
        # Spark asks for the columns and the reader in processes of their own.
        return Reading(Wanted.of(self.options))


class _Traces(InputPartition):  # type: ignore[misc]
    """The names of traces that one task asks."""

    def __init__(self, traces: list[str]) -> None:
        super().__init__(traces)
        self.traces = traces


class _Reader(DataSourceReader):  # type: ignore[misc]
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def partitions(self) -> Sequence[_Traces]:
        """The traces of each task."""
        return [_Traces(traces) for traces in self._reading.partitions()]

    def read(self, partition: _Traces) -> Iterator[pa.RecordBatch]:
        """The rows of the traces of a task."""
        return self._reading.read(partition.traces)

"""Parquet files as SQL reads them."""

from __future__ import annotations

import re
from pathlib import Path

from bpfrec.analyze.engine.sqltemplate import Fragment, literal
from bpfrec.formats.remote.remote_reader import RemoteTable


def parquet_source(parquet: Path | RemoteTable, *, row_numbers: bool = False) -> Fragment:
    """The SQL behind FROM for the rows of a Parquet file; ``row_numbers``: with a column ``file_row_number``."""
    numbered = ", file_row_number = true" if row_numbers else ""
    # DuckDB would take folders named key=value for columns.
    return Fragment(f"read_parquet({literal(parquet_pattern(parquet))}, hive_partitioning = false{numbered})")


def parquet_pattern(parquet: Path | RemoteTable) -> str:
    """The name of a Parquet file as DuckDB has to be given it, which takes ``*``, ``?`` and ``[`` for a pattern."""
    if isinstance(parquet, RemoteTable):
        return parquet.address
    return re.sub(r"([*?\[])", r"[\1]", parquet.resolve().as_posix())

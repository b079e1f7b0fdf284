"""Fills the computed table ``names``, with what was kept or with what the calls say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from bpfrec.analyze.engine.parquet_source import parquet_source
from bpfrec.analyze.engine.protocols import Session
from bpfrec.analyze.names.callers import numbers
from bpfrec.analyze.names.codes import Codes, Codes32
from bpfrec.analyze.names.columns import NAME_CODE, NamedCalls
from bpfrec.analyze.names.keeping import Names, keep, kept
from bpfrec.formats.numeric.asof import Integers
from bpfrec.formats.remote.remote_reader import RemoteTable

MANY_CALLS = 1 << 18
"""From so many calls on a column of codes pays; a function that looks them up is ready sooner, but slower."""

_ROWS = 1 << 20

_log = logging.getLogger(__name__)


def fill_names(queries: Session, calls: NamedCalls) -> None:
    """Puts the names into ``computed.names``, and the codes of the calls into ``computed.calls()``."""
    parquet = calls.parquet
    if parquet is None:
        return
    number = f"CAST({'event_id' if 'event_id' in calls.columns else 'NULL'} AS BIGINT)"
    codes, names = _names(queries, parquet, number)
    copy = calls.copy() if len(codes) >= MANY_CALLS else None
    if copy is None or isinstance(parquet, RemoteTable) or not _copy_with_codes(parquet, copy, codes):
        queries.define(NAME_CODE, _by_number(queries, parquet, number, codes).arrow, ["BIGINT"], "INTEGER")
        select = calls.select(f"{NAME_CODE}({number})")
    else:
        select = calls.select(NAME_CODE, parquet_source(copy))
    queries.execute(f"CREATE OR REPLACE MACRO computed.calls() AS TABLE {select}")
    # Last, and all at once: who is interrupted before begins again.
    queries.execute("DELETE FROM computed.names")
    queries.append("computed.names", names)


def _copy_with_codes(parquet: Path, copy: Path, codes: Codes32) -> bool:
    """Makes a copy of the calls with a column of their codes; whether it could."""
    from bpfrec.formats.parquet_joining import add_column  # noqa: PLC0415 - for few calls it is not wanted

    try:
        add_column(parquet, copy, NAME_CODE, codes)
    except (OSError, ValueError) as error:
        _log.info("the codes of names get no column: %s", error)
        with suppress(OSError):
            copy.unlink(missing_ok=True)
        return False
    return True


def _names(queries: Session, parquet: Path | RemoteTable, number: str) -> Names:
    """The names of the calls in ``parquet``, whose numbers the SQL ``number`` is."""
    known = kept(queries.identity) if queries.identity else None
    if known is not None:
        return known
    # Who finds them kept does not need the rest.
    from bpfrec.analyze.names.resolve import find_names  # noqa: PLC0415

    codes, names = find_names(queries)
    ((rows,),) = queries.query(f"SELECT count(*) FROM {parquet_source(parquet)}").rows  # noqa: S608 - ours
    by_row = np.zeros(rows, np.int32)
    for places, calls in _numbered(queries, parquet, number):
        by_row[places] = codes.find(calls)
    if queries.identity:
        keep(queries.identity, (by_row, names))
    return by_row, names


def _by_number(queries: Session, parquet: Path | RemoteTable, number: str, by_row: Codes32) -> Codes:
    """The codes by the numbers of calls; what was kept is not trusted to be of as many rows."""
    codes, seen = Codes(), 0
    for places, calls in _numbered(queries, parquet, number):
        seen += len(places)
        known = places < len(by_row)
        codes.add(calls[known], by_row[places[known]], seen)
    return codes


def _numbered(queries: Session, parquet: Path | RemoteTable, number: str) -> Iterator[tuple[Integers, Integers]]:
    """The rows whose call has a number, by their places among all, and these numbers, some at a time."""
    source = parquet_source(parquet, row_numbers=True)
    select = f"SELECT file_row_number AS place, {number} AS number FROM {source} WHERE {number} IS NOT NULL"  # noqa: S608 - ours
    for rows in queries.batches(select, _ROWS):
        yield numbers(rows, "place", 0), numbers(rows, "number", 0)

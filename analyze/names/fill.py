"""Fills the computed table ``names``, with what was kept or with what the calls say."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Session
from bpfrec.analyze.names.columns import NAME_CODE
from bpfrec.analyze.names.keeping import Names, keep, kept


def fill_names(queries: Session) -> None:
    """Puts the names into ``computed.names``, and defines the function that says which of them a call has."""
    codes, names = _names(queries)
    queries.append("computed.names", names)
    queries.define(NAME_CODE, codes.arrow, ["BIGINT"], "INTEGER")


def _names(queries: Session) -> Names:
    known = kept(queries.identity) if queries.identity else None
    if known is not None:
        return known
    # Who finds them kept does not need the rest.
    from bpfrec.analyze.names.resolve import find_names  # noqa: PLC0415

    found = find_names(queries)
    if queries.identity:
        keep(queries.identity, found)
    return found

"""Conditions on ``syscalls`` that several reports share."""

from __future__ import annotations

from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, literal

_UID_SIGN = 2**31


def conditions(table: str = "", **equal: int | str | None) -> list[Fragment]:
    """``column = value`` for every column that is given a value, columns behind ``table.`` if that is given.

    A user id is given as it is, and compared as the trace has it: an INTEGER.
    """
    prefix = f"{table}." if table else ""
    uid = equal.get("uid")
    if isinstance(uid, int) and uid >= _UID_SIGN:
        equal["uid"] = uid - 2 * _UID_SIGN
    return [Fragment(f"{prefix}{identifier(c)} = {literal(v)}") for c, v in equal.items() if v is not None]


def comm_contains(name: str | None, table: str = "") -> list[Fragment]:
    """The condition that the thread's name contains ``name``; none for None."""
    prefix = f"{table}." if table else ""
    return [] if name is None else [Fragment(f"contains({prefix}comm, {literal(name)})")]


def where(parts: list[Fragment]) -> Fragment:
    """``parts`` joined to one condition; TRUE where there are none."""
    return Fragment(" AND ".join(parts) or "TRUE")

"""Conditions on ``syscalls`` that several reports share."""

from __future__ import annotations

from bpfrec.analyze.sqltemplate import Fragment, identifier, literal


def conditions(table: str = "", **equal: int | str | None) -> list[Fragment]:
    """``column = value`` for every column that is given a value, columns behind ``table.`` if that is given."""
    prefix = f"{table}." if table else ""
    return [Fragment(f"{_column(prefix, c)} = {literal(v)}") for c, v in equal.items() if v is not None]


def _column(prefix: str, name: str) -> str:
    # The column is signed, user ids are not.
    return f"({prefix}uid & 4294967295)" if name == "uid" else f"{prefix}{identifier(name)}"


def comm_contains(name: str | None, table: str = "") -> list[Fragment]:
    """The condition that the thread's name contains ``name``; none for None."""
    prefix = f"{table}." if table else ""
    return [] if name is None else [Fragment(f"contains({prefix}comm, {literal(name)})")]


def where(parts: list[Fragment]) -> Fragment:
    """``parts`` joined to one condition; TRUE where there are none."""
    return Fragment(" AND ".join(parts) or "TRUE")

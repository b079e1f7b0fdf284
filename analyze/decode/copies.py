"""What was copied for an argument: what has to be joined for it, its columns, SQL for its text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.analyze.decode.functions import written
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.engine.view import Late
from bpfrec.formats.kernel.captures import Member
from bpfrec.formats.kernel.decoding import decoders

Values = Callable[[str], str]
"""SQL for the raw value of a member, without a sign."""

_ROW = "LEFT JOIN main.{table} AS {row} ON {row}.event_id = s.event_id AND {row}.arg = {index}"
_PLACE = re.compile(r"<(\w+)(?::(\w+))?>")


@dataclass(frozen=True)
class Part:
    """One column of what was copied: what its name ends in, SQL type, comment, SQL expression, what that needs."""

    suffix: str
    sql_type: str
    comment: str
    expression: str
    late: tuple[Late, ...]


@dataclass(frozen=True)
class Copied:
    """The columns of what was copied for an argument, SQL for its text, what that needs.

    The text is NULL where nothing was copied; None where the kind has none. ``is_string``: the column without a suffix
    stands for the argument itself, as that of a path does.
    """

    parts: tuple[Part, ...]
    text: str | None
    late: tuple[Late, ...]
    is_string: bool = False


def joined(table: str, row: str, index: int) -> Late:
    """The join of the one row that ``table`` has for an argument."""
    return Late(_ROW.format(table=table, row=row, index=index), (table,))


def templated(form: str, members: dict[str, Member], value: Values) -> str:
    """SQL for a text with ``<member>``, as its type has it, or ``<member:way>``, by a way or function."""
    pieces = _PLACE.split(form)
    shown: list[str] = [literal(pieces[0])]
    for name, way, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        member = members.get(name, Member(name, 0))
        shown += [_shown(way or ("int" if member.signed else "uint"), value(name), member.bits), literal(text)]
    return f"({' || '.join(shown)})"


def _shown(way: str, value: str, bits: int) -> str:
    return f"{way}({value})" if way in decoders() or way.endswith("_text") else f"({written(way, value, bits)})"

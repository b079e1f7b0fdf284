"""How a capture is shown in a sys view: what is joined for it, its columns, SQL for its text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.analyze.decode.number_texts import number_text
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.analyze.engine.view import Join
from bpfrec.formats.kernel.captures import StructMember
from bpfrec.formats.kernel.decoding import decoders

Values = Callable[[str], Fragment]
"""SQL for the raw value of a member, without a sign."""

_PLACE = re.compile(r"<(\w+)(?::(\w+))?>")


@dataclass(frozen=True)
class CaptureColumn:
    """One column: what its name has behind the argument's, SQL type, comment, SQL expression, what that needs."""

    suffix: str
    sql_type: str
    comment: str
    expression: str
    joins: tuple[Join, ...]


@dataclass(frozen=True)
class CaptureView:
    """The columns of what was copied for an argument, SQL for its text, what that needs.

    The text is NULL where nothing was copied; None where the kind has none. ``is_string``: the column without a suffix
    stands for the argument itself, as that of a path does.
    """

    columns: tuple[CaptureColumn, ...]
    text: Fragment | None
    joins: tuple[Join, ...]
    is_string: bool = False


def name_of_row(letter: str, index: int) -> Fragment:
    """The name in SQL of what is joined for argument ``index``; ``letter`` tells several of one argument apart."""
    return Fragment(f"{letter}{index}")


def column(row: Fragment, name: str) -> Fragment:
    """SQL for a column of what is joined."""
    return sql("captures.column", row=row, column=Fragment(name))


def row_join(table: str, row: Fragment, index: int) -> Join:
    """The join of the one row that ``table`` has for an argument."""
    return Join(sql("captures.join_row", table=Fragment(table), row=row, index=index), (table,))


def array_join(row: Fragment, index: int, kind: str, phase: str) -> Join:
    """The join of an argument's array as one ``row``.

    It has lists ``first`` and ``second`` of the words of its elements, ``total``, the sum of the second ones, and its
    ``status``.
    """
    return Join(sql("captures.join_array", row=row, index=index, kind=kind, phase=phase), ("arrays",))


def array_text(row: Fragment, elements: Fragment, *, empty: Fragment) -> Fragment:
    """SQL for the text of an array whose ``elements`` are a list of texts; ``empty``: when it has none."""
    return sql("captures.array_text", row=row, elements=elements, empty=empty)


def where_whole(row: Fragment, value: Fragment) -> Fragment:
    """SQL for ``value`` where nothing of the array in ``row`` is missing, else NULL."""
    return sql("captures.where_whole", row=row, value=value)


def members_text(form: str, members: dict[str, StructMember], value: Values) -> Fragment:
    """SQL for the text ``form``, in which ``<member>`` stands for a member of a struct.

    It is written as its type has it; ``<member:form>`` as :func:`number_text` has it, or by the SQL function of that
    name.
    """
    pieces = _PLACE.split(form)
    shown: list[object] = [pieces[0]]
    for name, how, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        member = members.get(name, StructMember(name, 0))
        shown += [_shown(how or ("int" if member.signed else "uint"), value(name), member.bits), text]
    return sql("structs.text", parts=listed(shown, " || "))


def _shown(how: str, value: Fragment, bits: int) -> Fragment:
    if how in decoders() or how.endswith("_text"):
        return sql("structs.call", function=Fragment(how), value=value)
    return sql("structs.bracketed", value=number_text(how, value, bits))

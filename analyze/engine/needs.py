"""What a query can need of a view: the columns it names, or all of them where it could show any.

DuckDB keeps a join whose columns nobody asks for, so a view has columns that cost one only for queries that need them.
A query is looked at token by token, not understood: in doubt it needs everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

_WORD = re.compile(r"\w+")
_LEADING = re.compile(r'"(?:[^"]|"")*"|\w+|::|\S')

_SHOWING = frozenset(
    (
        *("columns", "describe", "summarize", "export", "query", "query_table"),
        *("natural", "pivot", "pivot_wider", "pivot_longer", "unpivot"),
    )
)
"""Words that can show columns without naming them."""

_TABLE_OF_STATEMENTS = frozenset(("create", "replace", "temp", "temporary", "drop", "alter", "truncate"))
"""Before TABLE, where it is not ``TABLE name``, which shows all."""

_OPERANDS = frozenset((")", "]", "end", "null", "true", "false"))
"""What stands before the * of a multiplication, besides names, numbers and strings."""

_BETWEEN = frozenset(("union", "intersect", "except", ";"))
"""Ends one SELECT and begins another, within the same brackets."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


_NONE = _Token("", "")


@dataclass
class _Select:
    """One SELECT: the words in it, and what it has besides them. Those in brackets within it are others."""

    words: set[str] = field(default_factory=set)
    selects: int = 0
    froms: int = 0
    star: bool = False
    product: bool = False
    distinct_on: bool = False

    @property
    def is_query(self) -> bool:
        return self.selects + self.froms > 0

    @property
    def shows(self) -> bool:
        """Whether it shows all columns: FROM without SELECT does."""
        # What stands behind DISTINCT ON (...) looks like a product.
        return self.star or (self.distinct_on and self.product) or self.froms > self.selects

    def take(self, other: _Select) -> None:
        self.words |= other.words
        self.star |= other.star
        self.product |= other.product


class Needs:
    """What ``query`` can need."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.words = frozenset(word.lower() for word in _WORD.findall(query))

    def everything_of(self, name: str) -> bool:
        """Whether it could show all columns of the view called ``name``."""
        name = name.lower()
        selects = (select for select in self._selects if name in select.words)
        return self._shows or any(select.shows for select in selects) or self._takes_rows(name)

    @property
    def describes(self) -> bool:
        """Whether it asks for columns and their types alone, which need no rows."""
        single = all(token.text != ";" for token in self._tokens[:-1])
        return single and self._near(0).text in ("describe", "desc", "pragma") and self._near(1).text != "select"

    @cached_property
    def _tokens(self) -> list[_Token]:
        import duckdb  # noqa: PLC0415

        raw = self.query.encode(errors="replace")
        found = duckdb.tokenize(raw.decode())
        ends = (*(start for start, _ in found[1:]), len(raw))
        tokens = []
        for (start, kind), end in zip(found, ends, strict=False):
            name = str(kind).rpartition(".")[2]
            text = _LEADING.match(raw[start:end].decode(errors="replace"))
            if name == "string_const":
                tokens.append(_Token(name, "'"))
            elif text and name != "comment":
                tokens.append(_Token(name, text[0].strip('"').lower()))
        return tokens

    def _near(self, place: int) -> _Token:
        return self._tokens[place] if 0 <= place < len(self._tokens) else _NONE

    @cached_property
    def _shows(self) -> bool:
        return any(
            token.text in _SHOWING
            or (token.text == "desc" and self._near(place - 1).text in ("", ";"))
            or (token.text == "table" and self._near(place - 1).text not in _TABLE_OF_STATEMENTS)
            or (token.text == "copy" and self._near(place + 1).text != "(")
            for place, token in enumerate(self._tokens)
        )

    @cached_property
    def _selects(self) -> list[_Select]:
        open_, closed = [_Select()], []
        for place, token in enumerate(self._tokens):
            here, before = open_[-1], self._near(place - 1).text
            here.words.add(token.text)
            if token.text == "(":
                open_.append(_Select())
            elif token.text == ")" and len(open_) > 1:
                open_.pop()
                if here.is_query:
                    closed.append(here)
                else:
                    open_[-1].take(here)
            elif token.text in _BETWEEN:
                closed.append(open_.pop())
                open_.append(_Select())
            elif token.text == "*":
                here.product = True
                here.star |= self._is_star(place)
            here.selects += token.text == "select"
            here.froms += token.text == "from" and before != "distinct"
            here.distinct_on |= token.text == "on" and before == "distinct"
        return closed + open_

    def _is_star(self, place: int) -> bool:
        """Whether a * stands for all columns of all tables, as far as its neighbours tell."""
        before = self._near(place - 1)
        if before.text == "(" and self._near(place - 2).text == "count" and self._near(place + 1).text == ")":
            return False
        names_one = before.text == "."
        is_operand = before.kind in ("identifier", "numeric_const", "string_const") or before.text in _OPERANDS
        return not names_one and not is_operand

    def _takes_rows(self, name: str) -> bool:
        """Whether it could use a whole row of ``name`` as a value, or names its columns anew by their places."""
        names = {name}
        for place, token in enumerate(self._tokens):
            if token.text != name or self._is_verb(place) or self._near(place + 1).text == ".":
                continue
            alias = place + 1 + (self._near(place + 1).text == "as")
            if alias > place + 1 or self._near(alias).kind == "identifier":
                names.add(self._near(alias).text)
                if self._near(alias + 1).text == "(":
                    return True
        return any(
            token.text in names and (self._is_value(place) or self._near(place + 2).text == "*")
            for place, token in enumerate(self._tokens)
        )

    def _is_value(self, place: int) -> bool:
        if self._is_verb(place) or self._near(place + 1).text == ".":
            return False
        first = place
        while self._near(first - 1).text == ".":
            first -= 2
        before = self._near(first - 1)
        is_behind_name = before.kind == "identifier" or self._near(place - 2).text == "."
        is_alias = first == place and (before.text == "as" or is_behind_name)
        return not is_alias and before.text not in ("from", "join")

    def _is_verb(self, place: int) -> bool:
        """Whether it is SELECT, and not the name of the view of select(2)."""
        return self._near(place).text == "select" and self._near(place - 1).text != "."

"""What a query can need of a view: the columns it names, or all of them where it could show any.

DuckDB keeps a join whose columns nobody asks for, so a view has columns that cost one only for queries that need them.
A query is looked at token by token, not understood: in doubt it needs everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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

_PAIRS = frozenset((("on", "distinct"), ("desc", ""), ("desc", ";")))
"""The same, with the word before each: what stands behind DISTINCT ON (...) can be a star."""

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
_END = _Token("operator", ";")


class Needs:
    """What ``query`` can need."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.words = frozenset(word.lower() for word in _WORD.findall(query))

    def everything_of(self, name: str) -> bool:
        """Whether it could show all columns of the view called ``name``."""
        return self._shows or self._takes_rows(name.lower())

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
        return self._begins_with_from or any(
            token.text in _SHOWING
            or (token.text == "*" and self._is_star(place))
            or (token.text, self._near(place - 1).text) in _PAIRS
            or (token.text == "table" and self._near(place - 1).text not in _TABLE_OF_STATEMENTS)
            or (token.text == "copy" and self._near(place + 1).text != "(")
            for place, token in enumerate(self._tokens)
        )

    def _is_star(self, place: int) -> bool:
        before = self._near(place - 1)
        if before.text == "(" and self._near(place - 2).text == "count" and self._near(place + 1).text == ")":
            return False
        if before.text == ".":
            return True
        return before.kind not in ("identifier", "numeric_const", "string_const") and before.text not in _OPERANDS

    @cached_property
    def _begins_with_from(self) -> bool:
        """Whether a FROM has no SELECT within the same brackets."""
        selects = [0]  # by depth of brackets: SELECTs without a FROM; less than 0 means the opposite
        before = ""
        for token in (*self._tokens, _END):
            if token.text in (")", *_BETWEEN):
                if selects[-1] < 0:
                    return True
                selects[-1] = 0
            if token.text == "(":
                selects.append(0)
            elif token.text == ")" and len(selects) > 1:
                selects.pop()
            elif token.text == "select":
                selects[-1] += 1
            elif token.text == "from" and before != "distinct":
                selects[-1] -= 1
            before = token.text
        return False

    def _takes_rows(self, name: str) -> bool:
        """Whether it could use a whole row of ``name`` as a value, or names its columns anew by their places."""
        names = {name}
        for place, token in enumerate(self._tokens):
            if token.text != name or self._near(place + 1).text == ".":
                continue
            alias = place + 1 + (self._near(place + 1).text == "as")
            if alias > place + 1 or self._near(alias).kind == "identifier":
                names.add(self._near(alias).text)
                if self._near(alias + 1).text == "(":
                    return True
        return any(token.text in names and self._is_value(place) for place, token in enumerate(self._tokens))

    def _is_value(self, place: int) -> bool:
        if self._near(place + 1).text == ".":
            return False
        first = place
        while self._near(first - 1).text == ".":
            first -= 2
        before = self._near(first - 1)
        is_alias = first == place and (before.text == "as" or before.kind == "identifier")
        return not is_alias and before.text not in ("from", "join")

"""Expressions of C as a tree; the grammar is ``c_syntax.lark``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias, cast

from bpfrec.analyze.probes import c_types
from bpfrec.analyze.probes.c_types import CType, named_type
from bpfrec.formats.errors import ReportError

_MAX_LENGTH = 4096
_MAX_DEPTH = 100
"""Deeper trees would exhaust the stack of Python or of DuckDB; nobody writes them by hand."""


@dataclass(frozen=True)
class Number:
    """An integer constant of type ``ctype``."""

    value: int
    ctype: CType


@dataclass(frozen=True)
class Text:
    """A string constant, without quotes and escapes."""

    value: str


@dataclass(frozen=True)
class Name:
    """An identifier, ``$retval`` and its like included."""

    name: str


@dataclass(frozen=True)
class MemberAccess:
    """``base->field`` or ``base.field``."""

    base: Expression
    field: str


@dataclass(frozen=True)
class Index:
    """``base[index]``."""

    base: Expression
    index: Expression


@dataclass(frozen=True)
class Unary:
    """``-x``, ``+x``, ``!x``, ``~x``, ``*x`` or ``&x``."""

    operator: str
    operand: Expression


@dataclass(frozen=True)
class Binary:
    """Two operands and an operator of C."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Conditional:
    """``condition ? yes : no``."""

    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True)
class Cast:
    """``(ctype) operand``."""

    ctype: CType
    operand: Expression


@dataclass(frozen=True)
class Call:
    """``function(arguments)``: STRCMP and ``$entry``."""

    function: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = Number | Text | Name | MemberAccess | Index | Unary | Binary | Conditional | Cast | Call

_ESCAPES = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11, "e": 27}


def parse_expression(text: str) -> Expression:
    """The tree of ``text``.

    Raises:
        ReportError: not an expression of this subset of C; the message shows where.
    """
    import lark  # noqa: PLC0415 - a third of a second that only these reports should cost

    if len(text) > _MAX_LENGTH:
        raise ReportError(f"expression of {len(text)} characters: the limit is {_MAX_LENGTH}")
    try:
        tree = _parser()(text)
    except lark.exceptions.UnexpectedInput as error:
        position = error.pos_in_stream if error.pos_in_stream is not None and error.pos_in_stream >= 0 else len(text)
        raise ReportError(
            f"not an expression: {text.strip() or '(empty)'}",
            f"Not understood from here: {text[position:].strip()}" if text[position:].strip() else "It ends too early.",
        ) from None
    if depth(tree) > _MAX_DEPTH:
        raise ReportError(f"expression nested deeper than {_MAX_DEPTH} levels")
    return tree


def depth(tree: Expression) -> int:
    """Levels of ``tree``; counted without recursion, as a tree from outside may be deep."""
    deepest, pending = 0, [(tree, 1)]
    while pending:
        node, level = pending.pop()
        deepest = max(deepest, level)
        pending += [(child, level + 1) for child in children(node)]
    return deepest


def children(node: Expression) -> tuple[Expression, ...]:
    """The operands of ``node``."""
    if isinstance(node, Call):
        return node.arguments
    return tuple(value for value in vars(node).values() if isinstance(value, Expression))


@cache
def _parser() -> Callable[[str], Expression]:
    import lark  # noqa: PLC0415

    words = {*c_types.KEYWORDS, *c_types.QUALIFIERS, *c_types.TYPE_NAMES, "void"}
    grammar = files("bpfrec.analyze.probes").joinpath("c_syntax.lark").read_text("utf-8")
    grammar = grammar.replace("@TYPE_WORDS@", "|".join(sorted(words, key=len, reverse=True)))

    class Builder(lark.Transformer[Any, Any]):
        """Turns lark's matches into nodes; the methods are called like the rules they serve."""

        def number(self, items: list[Any]) -> Number:
            return _number(str(items[0]))

        def character(self, items: list[Any]) -> Number:
            return Number(c_types.TYPE_NAMES["s8"].wrap(ord(_unescape(str(items[0])[1:-1])) & 0xFF), c_types.INT)

        def string(self, items: list[Any]) -> Text:
            return Text("".join(_unescape(str(item)[1:-1]) for item in items))

        def name(self, items: list[Any]) -> Name:
            return Name(str(items[0]).removesuffix("@user"))

        def member(self, items: list[Any]) -> MemberAccess:
            return MemberAccess(items[0], str(items[2]))

        def index(self, items: list[Any]) -> Index:
            return Index(*items)

        def unary(self, items: list[Any]) -> Unary:
            return Unary(str(items[0]), items[1])

        def binary(self, items: list[Any]) -> Binary:
            return Binary(str(items[1]), items[0], items[2])

        def conditional(self, items: list[Any]) -> Conditional:
            return Conditional(*items)

        def cast(self, items: list[Any]) -> Cast:
            return Cast(*items)

        def arguments(self, items: list[Any]) -> list[Any]:
            return items

        def call(self, items: list[Any]) -> Call:
            return Call(str(items[0]), tuple(items[1] or ()))

        def type(self, items: list[Any]) -> CType:
            words = tuple(str(item) for item in items if item != "*")
            found = named_type(words, len(items) - len(words))
            if found is None:
                raise ReportError(f"unknown type in a cast: {' '.join(words)}")
            return found

        def struct_type(self, items: list[Any]) -> CType:
            return CType(64, False, f"{items[0]} {items[1]}" + "*" * (len(items) - 3))

    # With its transformer inside, the parser builds nodes as it goes and never recurses.
    parser = lark.Lark(grammar, parser="lalr", maybe_placeholders=True, transformer=Builder())

    def parse(text: str) -> Expression:
        tree: Any = parser.parse(text)
        return cast("Expression", tree)

    return parse


def _number(text: str) -> Number:
    digits = text.rstrip("uUlL")
    suffix = text[len(digits) :].lower()
    lowered = digits.lower()
    if lowered.startswith(("0x", "0b")):
        value, decimal = int(lowered, 0), False
    elif digits.startswith("0") and digits != "0":
        if set(digits) & set("89"):
            raise ReportError(f"not an octal number: {text}")
        value, decimal = int(digits, 8), False
    else:
        value, decimal = int(digits), True
    unsigned, is_long = "u" in suffix, "l" in suffix
    for ctype in (c_types.INT, c_types.UINT, c_types.LONG, c_types.ULONG):
        allowed = (ctype.signed or unsigned or not decimal) and not (ctype.signed and unsigned)
        if allowed and not (is_long and ctype.bits < 64) and value <= ctype.high:
            return Number(value, ctype)
    if value <= c_types.ULONG.high:
        return Number(value, c_types.ULONG)
    raise ReportError(f"number too large for 64 bits: {text}")


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        body = match[1]
        if body[0] == "x" and len(body) > 1:
            return chr(int(body[1:], 16))
        if body[0] in "01234567":
            return chr(int(body, 8) & 0xFF)
        return chr(_ESCAPES[body]) if body in _ESCAPES else body

    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", one, text, flags=re.DOTALL)

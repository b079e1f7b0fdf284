"""From the text of a script to its syntax tree, by the grammar in ``script.lark``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.errors import Problem, ScriptError, Source, Span, script_error
from bpfrec.analyze.bpftrace.preprocess import Define, preprocess
from bpfrec.analyze.bpftrace.walk import walk_deep

if TYPE_CHECKING:
    import lark

_MOST_DEPTH = 60
"""Brackets within brackets, and half of the operands within operands; deeper ones would exhaust Python's stack, and
nobody writes them by hand."""


def parse(source: Source) -> tree.Script:
    """The tree of a script.

    Raises:
        ScriptError: it is not one, with the place.
    """
    try:
        prepared = preprocess(source.text)
        _check_depth(prepared.text)
        script: tree.Script = _parse("script", prepared.text)
        for name, define in prepared.defines.items():
            value = _defined(name, define)
            if define.parameters is None:
                script.defines[name] = value
            else:
                script.functional_defines[name] = (define.parameters, value)
        _check_tree(script)
    except Problem as problem:
        raise script_error(source, [problem]) from None
    return script


def _defined(name: str, define: Define) -> tree.Expression:
    if not define.text:
        return tree.Integer(define.span, 0)
    try:
        value: tree.Expression = _parse("expression", define.text)
    except Problem:
        raise Problem(define.span, f"#define {name}: not an expression, so it cannot be replayed") from None
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for match in re.finditer(r'"(?:\\[\s\S]|[^"\\])*"|[(\[{]|[)\]}]', text):
        depth += 1 if match[0] in "([{" else -1 if match[0] in ")]}" else 0
        if depth > _MOST_DEPTH:
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            raise Problem(Span(line, column, line, column + 1), f"brackets nested deeper than {_MOST_DEPTH} levels")


def _check_tree(script: tree.Script) -> None:
    """Refuses trees that are too deep."""
    for node, depth in walk_deep(script):
        if depth > 2 * _MOST_DEPTH:
            raise Problem(node.span, f"expressions or blocks nested deeper than {2 * _MOST_DEPTH} levels")


def _parse(start: str, text: str) -> Any:
    import lark  # noqa: PLC0415

    from bpfrec.analyze.bpftrace.build import builder  # noqa: PLC0415

    try:
        return builder().transform(_parser().parse(text, start=start))
    except lark.exceptions.VisitError as error:
        if isinstance(error.orig_exc, (Problem, ScriptError)):
            raise error.orig_exc from None
        raise
    except lark.exceptions.UnexpectedToken as error:
        token = error.token
        if token.type == "$END":
            lines = text.rstrip().split("\n")
            place = Span(len(lines), len(lines[-1]) + 1, len(lines), len(lines[-1]) + 2)
            raise Problem(place, "syntax error, unexpected end of file") from None
        place = Span(token.line, token.column, token.line, token.column + max(len(token.split("\n")[0]), 1))
        raise Problem(place, f"syntax error, unexpected {token.split(chr(10))[0]}", _expected(error.expected)) from None
    except lark.exceptions.UnexpectedCharacters as error:
        place = Span(error.line, error.column, error.line, error.column + 1)
        character = text[error.pos_in_stream or 0 :][:1] or "end of file"
        raise Problem(place, f"syntax error, unexpected {character}", _expected(error.allowed)) from None


_SHOWN = {"SEMICOLON": ";", "LBRACE": "{", "RBRACE": "}", "RPAR": ")", "LPAR": "(", "COMMA": ",", "COLON": ":"}


def _expected(names: set[str] | None) -> str:
    shown = [text for name, text in _SHOWN.items() if name in (names or ())]
    return f"expected {' or '.join(shown)}" if 0 < len(shown) <= 2 else ""


@cache
def _parser() -> lark.Lark:
    import lark  # noqa: PLC0415

    grammar = files("bpfrec.analyze.bpftrace").joinpath("script.lark").read_text("utf-8")
    return lark.Lark(
        grammar,
        parser="lalr",
        start=["script", "expression"],
        propagate_positions=True,
        maybe_placeholders=True,
    )

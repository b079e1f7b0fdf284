"""Turns an expression of C into one of DuckDB's SQL that has the same value.

DuckDB's integers raise on overflow where C's wrap, so arithmetic runs in HUGEINT (128 bits), which no operation on
64-bit values overflows, and its result is cut back to the width of the C type. No operand is written twice, so the
SQL is no more than a constant factor longer than the expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.probes import c_syntax, c_types
from bpfrec.analyze.probes.byte_lists import listed
from bpfrec.analyze.probes.c_constants import c_constants
from bpfrec.analyze.probes.c_types import CType
from bpfrec.formats.errors import ReportError

POINTED_TO = (
    "Probes read paths and other strings, times, structs and addresses that are passed, in exit probes those that are"
    " given back, and contents of buffers where the trace was recorded with --data."
)


@dataclass(frozen=True)
class Value:
    """An SQL expression and the C type of its value.

    ``sql`` is an integer within ``ctype``, or a BOOLEAN where ``boolean``. ``text`` is the SQL of the string a
    pointer points at (VARCHAR, NULL: not read, and then ``why`` is the SQL that says why), ``fields`` of the recorded
    members of a struct it points at, ``elements`` of an array; they are None or empty where the trace has none.
    ``constant`` is the value where it is known. ``origin`` is how errors call it. ``contents`` is the SQL (BLOB) of the
    bytes that a pointer to a buffer points at.
    """

    sql: str
    ctype: CType
    text: str | None = None
    why: str = "NULL"
    elements: tuple[Value, ...] = ()
    fields: Mapping[str, Value] = field(default_factory=dict)
    constant: int | None = None
    boolean: bool = False
    origin: str = ""
    contents: str | None = None


class Scope(Protocol):
    """What the names in an expression stand for; raises ReportError for those that stand for nothing."""

    def name(self, name: str) -> Value:
        """The value of an identifier, as ``filename``, ``arg1`` or ``$retval``."""

    def call(self, function: str, argument: c_syntax.Expression) -> Value:
        """The value of ``$entry(x)`` and its like."""

    def member(self, base: str, member: str) -> Value | None:
        """The value of ``base->member`` where ``base`` is a name known to have members (``args``), else None."""

    @property
    def compares_bytes(self) -> bool:
        """Whether the constant of STRCMP is a list of bytes, as with ``-B`` of bcc's trace."""


def integer(value: int, ctype: CType) -> Value:
    """A constant."""
    value = ctype.wrap(value)
    return Value(f"({value})" if value < 0 else str(value), ctype, constant=value)


def boolean(sql: str) -> Value:
    """A truth value, an ``int`` in C, from an SQL BOOLEAN."""
    return Value(sql, c_types.INT, boolean=True)


def translate(tree: c_syntax.Expression, scope: Scope) -> Value:
    """Translates ``tree`` into SQL, its names looked up in ``scope``.

    Raises:
        ReportError: a name, a dereference or a call that a trace cannot answer.
    """
    return _Translator(scope).value(tree)


def as_number(value: Value) -> Value:
    """``value`` as an integer in SQL; a BOOLEAN becomes 0 or 1."""
    return replace(value, sql=f"CAST({value.sql} AS INTEGER)", boolean=False) if value.boolean else value


def as_condition(value: Value) -> str:
    """``value`` as an SQL BOOLEAN: whether it is not 0."""
    return value.sql if value.boolean else f"({value.sql} <> 0)"


def convert(value: Value, ctype: CType) -> Value:
    """``value`` converted to an integer or pointer type, as an assignment in C does."""
    if value.constant is not None:
        constant = integer(value.constant, ctype)
        return replace(value, sql=constant.sql, ctype=constant.ctype, constant=constant.constant, boolean=False)
    if ctype == c_types.BOOL:
        return replace(as_number(boolean(as_condition(value))), ctype=ctype, origin=value.origin)
    number = as_number(value)
    sql = number.sql if ctype.holds(number.ctype) else _wrap(f"CAST({number.sql} AS HUGEINT)", ctype)
    return replace(number, sql=sql, ctype=ctype)


def string_of(value: Value) -> str:
    """The SQL (VARCHAR) of the string that ``value`` points at.

    Raises:
        ReportError: the trace does not hold it.
    """
    if value.text is None:
        raise ReportError(f"what {value.origin or 'this value'} points at is no string that probes read", POINTED_TO)
    return value.text


def _hex_of(value: Value) -> str:
    """The SQL of two hex digits for each byte that ``value`` points at; a string has its zero byte."""
    return f"hex({value.contents})" if value.contents else f"(hex(encode({string_of(value)})) || '00')"


def _wrap(sql: str, ctype: CType) -> str:
    mask = (1 << ctype.bits) - 1
    if not ctype.signed:
        return f"({sql} & {mask})"
    half = 1 << (ctype.bits - 1)
    return f"((({sql} + {half}) & {mask}) - {half})"


def _wide(value: Value) -> str:
    return f"CAST({value.sql} AS HUGEINT)"


def _right(value: Value) -> str:
    """``value`` as a right operand: beside a wide left one a constant is wide by itself."""
    return value.sql if value.constant is not None else _wide(value)


def _not_recorded(value: Value) -> ReportError:
    if value.text is not None:
        return ReportError(
            f"single characters of {value.origin or 'a string'} cannot be asked for",
            'Compare strings: name == "text", or STRCMP("text", name) for all that begin so.',
        )
    return ReportError(f"what {value.origin or 'this value'} points at is nothing that probes read", POINTED_TO)


class _Translator:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def value(self, tree: c_syntax.Expression) -> Value:
        match tree:
            case c_syntax.Number(number, ctype):
                value = integer(number, ctype)
            case c_syntax.Text(text):
                value = Value("1", c_types.STRING, text=literal(text), origin="a string")
            case c_syntax.Name(name):
                value = self._name(name)
            case c_syntax.MemberAccess(base, member):
                value = self._member(base, member)
            case c_syntax.Index(base, place):
                value = self._element(self.value(base), self.value(place))
            case c_syntax.Unary(operator, operand):
                value = self._unary(operator, operand)
            case c_syntax.Binary(operator, left, right):
                value = self._binary(operator, self.value(left), self.value(right))
            case c_syntax.Conditional(condition, yes, no):
                value = self._conditional(as_condition(self.value(condition)), self.value(yes), self.value(no))
            case c_syntax.Cast(ctype, operand):
                value = self._cast(ctype, self.value(operand))
            case c_syntax.Call(function, arguments):
                value = self._call(function, arguments)
        return value

    def _name(self, name: str) -> Value:
        constant = c_constants().get(name)
        if constant is not None:
            kinds = (c_types.INT, c_types.LONG, c_types.ULONG)
            return integer(constant, next(kind for kind in kinds if constant <= kind.high))
        return self._scope.name(name)

    def _member(self, base: c_syntax.Expression, member: str) -> Value:
        if isinstance(base, c_syntax.Name):
            found = self._scope.member(base.name, member)
            if found is not None:
                return found
        if isinstance(base, c_syntax.Unary) and base.operator == "*":
            base = base.operand
        value = self.value(base)
        if member in value.fields:
            return value.fields[member]
        if value.fields:
            raise ReportError(f"{value.origin} has no member {member}", f"Recorded are: {', '.join(value.fields)}")
        raise _not_recorded(value)

    def _element(self, array: Value, place: Value) -> Value:
        if not array.elements:
            raise _not_recorded(array)
        if place.constant is None or not 0 <= place.constant < len(array.elements):
            last = len(array.elements) - 1
            raise ReportError(f"an element of {array.origin} is named by a number from 0 to {last}")
        return array.elements[place.constant]

    def _unary(self, operator: str, tree: c_syntax.Expression) -> Value:
        value = self.value(tree)
        if operator == "*":
            raise _not_recorded(value)
        if operator == "&":
            raise ReportError("the address of a value (&) cannot be asked for in a recorded trace")
        if operator == "!":
            return boolean(f"(NOT {as_condition(value)})")
        value = convert(value, c_types.promoted(value.ctype))
        if operator == "+":
            return Value(value.sql, value.ctype, constant=value.constant)
        if value.constant is not None:
            return integer(-value.constant if operator == "-" else ~value.constant, value.ctype)
        sql = f"(-{_wide(value)})" if operator == "-" else f"(-1 - {_wide(value)})"
        return Value(_wrap(sql, value.ctype), value.ctype)

    def _binary(self, operator: str, left: Value, right: Value) -> Value:
        if operator in {"&&", "||"}:
            word = "AND" if operator == "&&" else "OR"
            return boolean(f"({as_condition(left)} {word} {as_condition(right)})")
        if operator in {"==", "!="} and left.text is not None and right.text is not None:
            return boolean(f"({left.text} IS {'NOT ' if operator == '==' else ''}DISTINCT FROM {right.text})")
        if operator in _COMPARISONS:
            ctype = c_types.common_type(left.ctype, right.ctype)
            return boolean(f"({convert(left, ctype).sql} {_COMPARISONS[operator]} {convert(right, ctype).sql})")
        if operator in {"<<", ">>"}:
            return self._shift(operator, left, right)
        ctype = c_types.common_type(left.ctype, right.ctype)
        sql = _ARITHMETIC[operator](_wide(convert(left, ctype)), _right(convert(right, ctype)))
        if operator == "*" and ctype == c_types.ULONG:
            # Two unsigned 64-bit factors leave 128 signed bits; read as signed they do not, and the low 64 bits agree.
            sql = f"({_wide(convert(left, c_types.LONG))} * {_right(convert(right, c_types.LONG))})"
        exact = operator in {"&", "|", "^", "%"} or (operator == "/" and not ctype.signed)
        return Value(sql if exact else _wrap(sql, ctype), ctype)

    def _shift(self, operator: str, left: Value, right: Value) -> Value:
        left = convert(left, c_types.promoted(left.ctype))
        # BPF's shifts take the low bits of the count; C leaves larger counts undefined.
        count = f"({_wide(as_number(right))} & {left.ctype.bits - 1})"
        if operator == ">>":
            return Value(f"({_wide(left)} >> CAST({count} AS INTEGER))", left.ctype)
        unsigned = convert(left, CType(left.ctype.bits, False))
        return Value(_wrap(f"({_wide(unsigned)} * (1::HUGEINT << CAST({count} AS INTEGER)))", left.ctype), left.ctype)

    def _conditional(self, condition: str, yes: Value, no: Value) -> Value:
        ctype = yes.ctype if yes.ctype == no.ctype else c_types.common_type(yes.ctype, no.ctype)
        text = None
        if yes.text is not None and no.text is not None:
            ctype, text = c_types.STRING, f"(CASE WHEN {condition} THEN {yes.text} ELSE {no.text} END)"
        sql = f"(CASE WHEN {condition} THEN {convert(yes, ctype).sql} ELSE {convert(no, ctype).sql} END)"
        return Value(sql, ctype, text=text)

    def _cast(self, ctype: CType, value: Value) -> Value:
        converted = convert(value, ctype)
        return converted if ctype.pointee is not None else replace(converted, text=None, fields={}, contents=None)

    def _call(self, function: str, arguments: tuple[c_syntax.Expression, ...]) -> Value:
        if function == "STRCMP":
            if len(arguments) != 2:
                raise ReportError('STRCMP takes two arguments: STRCMP("text", name)')
            # bcc compares as many characters as the constant has: "/etc/" matches all paths that begin so.
            needle, text = arguments if isinstance(arguments[0], c_syntax.Text) else reversed(arguments)
            if self._scope.compares_bytes and isinstance(needle, c_syntax.Text):
                found, wanted = _hex_of(self.value(text)), literal(listed(needle.value))
                return boolean(f"coalesce(starts_with({found}, {wanted}), FALSE)")
            prefix, whole = string_of(self.value(needle)), string_of(self.value(text))
            if not isinstance(needle, c_syntax.Text):
                return boolean(f"({whole} IS NOT DISTINCT FROM {prefix})")
            return boolean(f"coalesce(starts_with({whole}, {prefix}), FALSE)")
        if function == "$entry" and len(arguments) == 1:
            return self._scope.call(function, arguments[0])
        raise ReportError(
            f"unknown function in an expression: {function}", "Known are STRCMP and, in exit probes, $entry."
        )


_COMPARISONS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

_BEYOND = 1 << 65
"""Larger than any operand: stands in for a zero divisor, as in BPF x / 0 is 0 and x % 0 is x."""

_ARITHMETIC: dict[str, Callable[[str, str], str]] = {
    "+": lambda a, b: f"({a} + {b})",
    "-": lambda a, b: f"({a} - {b})",
    "*": lambda a, b: f"({a} * {b})",
    "/": lambda a, b: f"({a} // coalesce(nullif({b}, 0), {_BEYOND}))",
    "%": lambda a, b: f"({a} % coalesce(nullif({b}, 0), {_BEYOND}))",
    "&": lambda a, b: f"({a} & {b})",
    "|": lambda a, b: f"({a} | {b})",
    "^": lambda a, b: f"xor({a}, {b})",
}

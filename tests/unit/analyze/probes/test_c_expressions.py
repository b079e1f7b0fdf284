"""Expressions of C in DuckDB against a small evaluator with the semantics of C."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.analyze.probes import c_syntax, c_types
from bpfrec.analyze.probes.c_to_sql import Value, as_number, translate
from bpfrec.formats.errors import BpfrecError, ReportError

TYPES = {
    "a": c_types.INT,
    "b": c_types.UINT,
    "c": c_types.LONG,
    "d": c_types.ULONG,
    "e": c_types.CType(8, False),
    "f": c_types.CType(16, True),
}
CASTS = ("int", "unsigned int", "long", "u64", "u8", "s16", "char", "size_t")


class Columns:
    """Each name is a column of its own type."""

    compares_bytes = False

    def name(self, name):
        return Value(f"CAST({name} AS HUGEINT)", TYPES[name])

    def call(self, function, _):
        raise ReportError(function)

    def member(self, *_):
        return None


def evaluate(tree, values):  # noqa: PLR0911
    """Value and type, as C (LP64, two's complement) computes them; x / 0 is 0 and x % 0 is x, as in BPF."""
    match tree:
        case c_syntax.Number(value, ctype):
            return value, ctype
        case c_syntax.Name(name):
            return values[name], TYPES[name]
        case c_syntax.Cast(ctype, operand):
            return ctype.wrap(evaluate(operand, values)[0]), ctype
        case c_syntax.Unary("!", operand):
            return int(evaluate(operand, values)[0] == 0), c_types.INT
        case c_syntax.Unary(operator, operand):
            value, ctype = evaluate(operand, values)
            ctype = c_types.promoted(ctype)
            return ctype.wrap({"-": -value, "+": value, "~": ~value}[operator]), ctype
        case c_syntax.Conditional(condition, yes, no):
            left, right = evaluate(yes, values), evaluate(no, values)
            ctype = left[1] if left[1] == right[1] else c_types.common_type(left[1], right[1])
            return ctype.wrap((left if evaluate(condition, values)[0] else right)[0]), ctype
    (x, left), (y, right) = evaluate(tree.left, values), evaluate(tree.right, values)
    if tree.operator in {"&&", "||"}:
        return int((x and y) != 0 if tree.operator == "&&" else (x or y) != 0), c_types.INT
    if tree.operator in {"<<", ">>"}:
        ctype = c_types.promoted(left)
        count = y & (ctype.bits - 1)
        return ctype.wrap(x << count if tree.operator == "<<" else x >> count), ctype
    ctype = c_types.common_type(left, right)
    x, y = ctype.wrap(x), ctype.wrap(y)
    compared = {"==": x == y, "!=": x != y, "<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}
    if tree.operator in compared:
        return int(compared[tree.operator]), c_types.INT
    quotient = 0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
    results = {
        "+": x + y,
        "-": x - y,
        "*": x * y,
        "/": quotient,
        "%": x - quotient * y,
        "&": x & y,
        "|": x | y,
        "^": x ^ y,
    }
    return ctype.wrap(results[tree.operator]), ctype


def expressions():
    leaves = st.one_of(
        st.sampled_from(sorted(TYPES)),
        st.integers(0, 2**64 - 1).map(str),
        st.integers(0, 300).map(str),
        st.integers(0, 2**64 - 1).map(hex),
        st.sampled_from(["'a'", "'\\n'", "0777", "1u", "1L", "0b101"]),
    )

    def extend(inner):
        operators = ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "<", "<=", ">", ">=", "==", "!=", "&&", "||"]
        return st.one_of(
            st.tuples(inner, st.sampled_from(operators), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            st.tuples(st.sampled_from(["-", "~", "!", "+"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
            st.tuples(st.sampled_from(CASTS), inner).map(lambda t: f"({t[0]})({t[1]})"),
            st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
        )

    return st.recursive(leaves, extend, max_leaves=8)


def numbers(ctype):
    return st.one_of(st.sampled_from([ctype.low, ctype.high, 0, 1]), st.integers(ctype.low, ctype.high))


CONNECTION = duckdb.connect()


@settings(max_examples=200, deadline=None)
@given(expressions(), st.fixed_dictionaries({name: numbers(ctype) for name, ctype in TYPES.items()}))
def test_sql_has_the_value_that_c_computes(text, values):
    tree = c_syntax.parse_expression(text)
    expected, ctype = evaluate(tree, values)
    value = as_number(translate(tree, Columns()))
    columns = ", ".join(f"{number}::HUGEINT AS {name}" for name, number in values.items())
    ((found,),) = CONNECTION.sql(f"SELECT {value.sql} FROM (SELECT {columns})").fetchall()
    assert value.ctype == ctype
    assert found == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7 / 0", 0),
        ("7 % 0", 7),
        ("1 << 31", -(2**31)),
        ("1UL << 63", 2**63),
        ("2147483647 + 1", -(2**31)),
        ("0u - 1", 2**32 - 1),
        ("-1 < 0u", 0),
        ("(u8)257", 1),
        ("(char)0xff", -1),
        ("!5 || 0 && 1", 0),
        ("1 ? 2 : 3 ? 4 : 5", 2),
        ("~0", -1),
        ("O_CREAT | O_WRONLY", 0o101),
        ("ENOENT == 2", 1),
        ("'A'", 65),
        ("010", 8),
        ("10 - 2 - 3", 5),
    ],
)
def test_constants(text, value):
    sql = as_number(translate(c_syntax.parse_expression(text), Columns())).sql
    assert CONNECTION.sql(f"SELECT {sql}").fetchall() == [(value,)]


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 +", "(1", "1)", "1.5", "a b", "09", "99999999999999999999", "a->", "'ab'", '"', "a = 1", "a++",
     "(struct s)a", "sizeof(int)", "f(a)", "STRCMP(a)", "&a", "*a", "a[0]", "a->b", "x", "$entry(a)", "(foo)a b",
     "(" * 300 + "a" + ")" * 299, "!" * 5000 + "a", "!" * 2000 + "a"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text):
    with pytest.raises((ReportError, KeyError)) as caught:
        translate(c_syntax.parse_expression(text), Columns())
    assert caught.type is ReportError or caught.value.args == ("x",)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_garbage_is_refused_without_a_traceback(text):
    try:
        c_syntax.parse_expression(text)
    except BpfrecError as error:
        said = error.message
    else:
        said = "understood"
    assert said


def test_deep_nesting_of_brackets_is_no_nesting():
    assert c_syntax.parse_expression("(" * 1500 + "a" + ")" * 1500) == c_syntax.Name("a")

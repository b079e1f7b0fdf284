"""SQL text: literals, identifiers, and the Jinja templates of the reports.

In a template every ``{{ value }}`` becomes a SQL literal, so that no value can end a string or start a statement;
text that is SQL itself has to be marked as a :class:`Fragment` by the code that made it.
"""

from __future__ import annotations

import math
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Fragment(str):
    """Trusted SQL text; a template takes it as it is."""

    __slots__ = ()


def identifier(name: str) -> Fragment:
    """``name`` as a quoted SQL identifier."""
    return Fragment('"' + name.replace('"', '""') + '"')


def literal(value: object) -> Fragment:  # noqa: PLR0911 - a return for each type
    """``value`` as a SQL literal: None, bool, int, float, str, or a list or tuple of them as ``(a, b)``.

    Control characters become calls of chr(), so that the text is safe to print.

    Raises:
        TypeError: a value of another type.
    """
    match value:
        case Fragment():
            return value
        case None:
            return Fragment("NULL")
        case bool():
            return Fragment("TRUE" if value else "FALSE")
        case int():
            return Fragment(value)
        case float():
            return Fragment(repr(value) if math.isfinite(value) else f"CAST('{value}' AS DOUBLE)")
        case str():
            return _text(value)
        case list() | tuple():
            return Fragment(f"({', '.join(literal(item) for item in value) or 'NULL'})")
    raise TypeError(f"no SQL literal for {type(value).__name__}")


def _text(value: str) -> Fragment:
    quoted = "'" + _SURROGATE.sub("\ufffd", value).replace("'", "''") + "'"
    if not _CONTROL.search(quoted):
        return Fragment(quoted)
    # One call, for DuckDB's parser goes into each || before it looks at the next.
    return Fragment("concat(" + _CONTROL.sub(lambda m: f"', chr({ord(m[0])}), '", quoted) + ")")


@cache
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415

    return jinja2.Environment(  # noqa: S701 - SQL, not HTML; finalize quotes every value
        undefined=jinja2.StrictUndefined,
        finalize=literal,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


@cache
def _compiled(template: str) -> jinja2.Template:
    """A template, compiled once: there are few, and all are bpfrec's own."""
    return _environment().from_string(template)


def render_text(template: str, **values: Any) -> str:
    """The SQL of a template given as text, which is part of bpfrec."""
    return _compiled(template).render(values).strip()


def render(name: str, **values: Any) -> str:
    """The SQL of ``reports/NAME.sql`` with ``values`` filled in.

    Templates also see ``ident(name)``, which quotes an identifier.
    """
    return render_text(
        files("bpfrec.analyze.reports").joinpath(f"{name}.sql").read_text("utf-8"), ident=identifier, **values
    )


def bundled_sql(name: str) -> str:
    """The text of ``analyze/views/sql/NAME.sql``."""
    return files("bpfrec.analyze.views").joinpath("sql", f"{name}.sql").read_text("utf-8").strip()

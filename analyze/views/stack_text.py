"""Frames of stacks as text, in SQL, and the SQL function ``stack_text``."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries, SqlFunction
from bpfrec.analyze.engine.sqltemplate import Fragment, bundled_sql, render_text
from bpfrec.analyze.engine.view import ComputedTable
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.schema import FRAMES

STACK_TEXT = "stack_text"
SIGNATURE = f"{STACK_TEXT}(stack_id)"
COMMENT = "a stack, a frame on each line, innermost first: FUNCTION+OFFSET (MODULE), or FUNCTION FILE:LINE"

MODULE = Fragment("CASE WHEN starts_with(module, '//anon') THEN '[anon]' ELSE regexp_replace(module, '^.*/', '') END")
"""SQL: the name of a frame's module without its folder; memory without a file is [anon]."""

NAMES_ITS_LINE = Fragment("regexp_matches(symbol, ':[0-9]+$')")
"""SQL: whether the name itself says file and line, as V8 writes those of JavaScript."""

_TEXTS = Table(
    "stack_texts",
    "Stacks as text.",
    (Column("number", "BIGINT", "stack_id in stacks"), Column("text", "VARCHAR", "its frames, one on each line")),
)


def function_name(lines: bool = False) -> Fragment:
    """SQL over a frame and ``shown``, its symbol demangled: the function; MODULE+0xADDRESS where it has no name.

    ``lines``: with the source line, where it is known.
    """
    place = (
        f"CASE WHEN module_address IS NOT NULL THEN {MODULE} || printf('+0x%x', module_address) "
        f"ELSE coalesce({MODULE}, '[not mapped]') END"
    )
    line = f"CASE WHEN file IS NOT NULL AND NOT {NAMES_ITS_LINE} THEN concat(' ', file, ':' || line) ELSE '' END"
    return Fragment(f"coalesce(shown{f' || {line}' if lines else ''}, {place})")


def stack_text_function() -> SqlFunction:
    """The function, which looks texts up in a table that is computed when a query first names the function."""
    return SqlFunction(
        STACK_TEXT,
        lambda connection: connection.execute(_create()),
        view=FRAMES.name,
        computed=ComputedTable(_TEXTS, _fill),
    )


def _create() -> str:
    # No parameter of a macro may have the name of a column in it.
    found = f"SELECT t.text FROM computed.{_TEXTS.name} AS t WHERE t.number = wanted_stack"  # noqa: S608 - ours
    return f"CREATE OR REPLACE MACRO {STACK_TEXT}(wanted_stack) AS ({found})"


def _fill(queries: Queries) -> None:
    queries.execute(
        render_text(
            bundled_sql("stack_texts"),
            module=MODULE,
            line=Fragment(f"file IS NOT NULL OR {NAMES_ITS_LINE}"),
            with_line=function_name(lines=True),
        )
    )

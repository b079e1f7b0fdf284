"""render/bcc_lines.py: lines that DuckDB makes are those that Python makes."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.analyze.render.bcc_lines import Field, bcc_lines, header, line_in_sql
from bpfrec.analyze.reports import statsnoop

FIELDS = (
    Field("PID", -7, "pid"),
    Field("COMM", -6, "comm", most=4),
    Field("RET", 5, lambda row: None if row["ret"] is None else -row["ret"], sql="-ret", null="n/a"),
    Field("TWICE", 3, lambda row: row["pid"], when="twice", sql="pid"),
    Field("{PATH}", 0, "path", gap="|"),
)

# What is not printable is escaped before a field is filled up, or after it.
TEXTS = st.text(st.characters(categories=("L", "N", "P", "Zs"), include_characters=" {}'")).filter(str.isprintable)


@given(
    st.integers(-9, 99999),
    TEXTS | st.none(),
    st.integers(-200, 200) | st.none(),
    TEXTS | st.none(),
    st.booleans(),
)
def test_sql_makes_the_same_lines(pid: int, comm: str | None, ret: int | None, path: str | None, twice: bool) -> None:
    row = {"pid": pid, "comm": comm, "ret": ret, "path": path}
    options = {"twice": twice}
    line = line_in_sql(FIELDS, options)
    with duckdb.connect() as connection:
        query = f"SELECT {line} FROM (SELECT $pid AS pid, $comm::VARCHAR AS comm, $ret AS ret, $path::VARCHAR AS path)"
        made = connection.execute(query, row).fetchall()
    assert [header(FIELDS, options), *(one for (one,) in made)] == list(bcc_lines(FIELDS, [row], options))


def test_a_value_that_python_makes_has_no_sql() -> None:
    assert line_in_sql((Field("PID", -7, lambda row: row["pid"]),), {}) is None


@pytest.mark.parametrize("option", ["timestamp", "sysname"])
def test_statsnoop_prints_millions_of_lines_by_sql(option: str) -> None:
    fields = statsnoop.FIELDS
    assert line_in_sql(fields, {"timestamp": False, "sysname": False} | {option: True}) is not None

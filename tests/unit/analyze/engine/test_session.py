"""The DuckDB session of a trace."""

from __future__ import annotations

from bpfrec.analyze.engine.session import Scratch, connect


def test_asof_join_of_few_expected_rows_does_not_compare_all_with_all() -> None:
    scratch = Scratch()
    connection = connect(scratch)
    try:
        connection.execute(
            "CREATE TABLE one AS SELECT 1 AS pid, 5 AS ts;"
            "CREATE TABLE many AS SELECT 1 AS pid, range AS ts FROM range(9)"
        )
        joined = "SELECT many.ts FROM one ASOF JOIN many ON many.pid = one.pid AND many.ts > one.ts"
        ((_, plan),) = connection.execute(f"EXPLAIN {joined}").fetchall()
        assert connection.execute(joined).fetchall() == [(6,)]
    finally:
        connection.close()
        scratch.remove()
    assert "asof" in plan.lower()
    assert "loop" not in plan.lower()

from __future__ import annotations

from dataclasses import replace

import pytest
from support.trace_builder import TraceBuilder

import bpfrec
from bpfrec.analyze.engine.engine import Engine
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.view import ComputedTable, Join, ViewColumn
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.views import library
from bpfrec.formats import schema
from bpfrec.formats.columns import Column, Table

SLEEPS = "sys.clock_nanosleep"


@pytest.fixture
def trace(lab1_trace):
    with Trace(lab1_trace) as opened:
        yield opened


def columns_made(trace: Trace, view: str = "sys.clock_nanosleep") -> set[str]:
    """The deferred columns that a view has."""
    return trace.engine._catalog._made[view]


def test_a_view_has_what_costs_something_only_when_a_query_names_it(trace):
    assert trace.query(f"SELECT count(*), sum(ret * 2) FROM {SLEEPS}").rows == [(23, 0)]
    assert columns_made(trace) == set()
    assert list(trace._reader._tables) == ["syscalls"], "a table that no column needs was unpacked"
    assert trace.query(f"SELECT max(rqtp_tv_nsec) FROM {SLEEPS}").rows == [(1000,)]
    assert columns_made(trace) == {"rqtp_tv_nsec"}
    trace.query(f"SELECT max(ret), any_value(RQTP_TV_SEC) FROM {SLEEPS}")
    assert columns_made(trace) == {"rqtp_tv_nsec", "rqtp_tv_sec"}, "a column that was there is gone"


@pytest.mark.parametrize(
    "query", ["FROM {}", "SELECT s FROM {} s", "SELECT sum(ret), COLUMNS('tv') FROM {} GROUP BY ALL"]
)
def test_a_query_that_could_show_all_columns_has_all(trace, query):
    trace.query(f"SELECT ret FROM {SLEEPS}")
    trace.query(query.format(SLEEPS))
    assert columns_made(trace) == set(trace.engine._catalog._whole[SLEEPS].deferred)
    assert {"rqtp_tv_sec", "rqtp_tv_nsec", "call_text"} <= columns_made(trace)


def test_columns_stand_in_one_order_however_the_view_came_by_them(trace, lab1_trace):
    trace.query(f"SELECT call_text FROM {SLEEPS}")
    trace.query(f"SELECT rqtp_tv_nsec FROM {SLEEPS}")
    with Trace(lab1_trace) as other:
        assert trace.sql(f"FROM {SLEEPS}").columns == other.sql(f"FROM {SLEEPS}").columns


def test_relations_stay_valid_when_their_view_is_made_again(trace):
    few = trace.sql(f"SELECT event_id, ret FROM {SLEEPS} ORDER BY 1")
    trace.execute(f"CREATE VIEW mine AS SELECT ret FROM {SLEEPS}")
    some = trace.sql(f"SELECT rqtp_tv_nsec FROM {SLEEPS}")
    whole = trace.sql(f"SELECT * FROM {SLEEPS}")
    assert len(few.fetchall()) == len(some.fetchall()) == len(whole.fetchall()) == 23
    assert few.columns == ["event_id", "ret"]
    assert few.project("ret").fetchall() == [(0,)] * 23
    assert trace.query("SELECT count(*) FROM mine").rows == [(23,)]


def test_columns_are_found_behind_use(trace):
    trace.query("USE sys; SELECT count(*) FROM clock_nanosleep")
    assert trace.query("SELECT max(rqtp_tv_nsec) FROM clock_nanosleep").rows == [(1000,)]
    assert "call_text" in trace.sql("FROM clock_nanosleep").columns


def test_a_wrong_name_is_answered_with_deferred_columns_near_it(trace):
    with pytest.raises(bpfrec.BpfrecError) as refused:
        trace.query(f"SELECT rqtp_tv_nsek FROM {SLEEPS}")
    assert "rqtp_tv_nsec" in refused.value.hint


def test_the_catalog_knows_all_columns(trace):
    trace.query(f"SELECT ret FROM {SLEEPS}")
    names = "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'clock_nanosleep'"
    comments = dict(trace.query(names).rows)
    assert {"rqtp_tv_sec", "call_text", "ret"} <= set(comments)
    assert all(comments.values())


@pytest.fixture
def computed(monkeypatch, tmp_path):
    """A trace whose syscalls have a column that is computed, and the times that happened."""
    times = []

    def fill(queries: Queries) -> None:
        times.append(1)
        queries.execute("INSERT INTO computed.doubles SELECT event_id, ret * 2 AS doubled FROM syscalls")

    table = Table("doubles", "Twice.", (Column("event_id", "BIGINT", "the call"), Column("d", "BIGINT", "twice")))
    join = "LEFT JOIN computed.doubles AS d ON d.event_id = s.event_id"
    deferring = Join(join, computed=ComputedTable(table, fill))
    column = ViewColumn("doubled", "BIGINT", "twice the result", "d.d", (deferring,))

    def with_column(view):
        return replace(view, columns=(*view.columns, column))

    tables, calls = library.table_view, library.syscall_view
    monkeypatch.setattr(
        library, "table_view", lambda t, *rest: (with_column if t is schema.SYSCALLS else lambda v: v)(tables(t, *rest))
    )
    monkeypatch.setattr(library, "syscall_view", lambda name, *rest, **given: with_column(calls(name, *rest, **given)))
    builder = TraceBuilder()
    for i in range(5):
        builder.call("close", i, 3, ret=i)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as opened:
        yield opened, times


def test_what_has_to_be_computed_is_computed_once_when_a_query_needs_it(computed):
    trace, times = computed
    trace.query("SELECT count(*) FROM syscalls")
    trace.query("SELECT fd FROM sys.close")
    names = trace.query("SELECT column_name FROM duckdb_columns() WHERE table_name = 'syscalls'").rows
    assert ("doubled",) in names
    assert ("doubled", "BIGINT") in [row[:2] for row in trace.query("DESCRIBE sys.close").rows]
    assert times == [], "the catalog shows the column and needs no rows"
    with pytest.raises(bpfrec.BpfrecError):
        trace.query("SELECT doubles FROM syscalls")
    assert times == [], "computed to say that a name is wrong"
    assert trace.query("SELECT sum(doubled) FROM sys.close").rows == [(20,)]
    assert trace.query("SELECT sum(doubled) FROM syscalls").rows == [(20,)]
    assert times == [1]


@pytest.mark.parametrize("query", ["SELECT * FROM syscalls ORDER BY event_id", "FROM sys.close ORDER BY event_id"])
def test_a_query_that_shows_all_columns_shows_computed_ones(computed, query):
    trace, times = computed
    assert [row["doubled"] for row in trace.query(query).dicts()] == [0, 2, 4, 6, 8]
    assert times == [1]


def test_what_failed_is_computed_again(computed, monkeypatch):
    trace, times = computed
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "execute", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trace.query("SELECT sum(doubled) FROM syscalls")
    assert trace.query("SELECT sum(doubled) FROM syscalls").rows == [(20,)]
    assert len(times) == 2

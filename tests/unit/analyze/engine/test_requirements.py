from __future__ import annotations

import duckdb
import pytest

from bpfrec.analyze.engine.requirements import Requirements

CONNECTION = duckdb.connect()


def required(query: str) -> Requirements:
    return Requirements(query, CONNECTION)


NAMED = """
SELECT count(*) FROM sys.futex
SELECT count( * ), ret*2, (ret)*3, list[1]*2, 'a'*2, CASE WHEN true THEN 1 END * 2 FROM sys.futex f WHERE f.ret > 0
SELECT ret FROM sys.futex AS f JOIN sys.ppoll p ON f.event_id = p.event_id
SELECT ret IS DISTINCT FROM 3 FROM sys.futex
SELECT ret FROM sys.futex ORDER BY ret DESC
SELECT sum(n) FROM (SELECT count(*) AS n FROM sys.futex)
SELECT comm FROM sys.futex WHERE syscall = 'futex * table'  -- *
SELECT comm /* * */ FROM sys.futex WHERE comm = $$ * FROM futex $$
WITH q AS (SELECT ret FROM sys.futex) SELECT ret FROM q
FROM sys.futex SELECT ret
SELECT ret, count(*) FROM sys.futex GROUP BY ALL ORDER BY ALL
CREATE TABLE t AS SELECT ret FROM sys.futex
COPY (SELECT ret FROM sys.futex) TO 'x'
SELECT sum(ret) FILTER (WHERE ret > 0) FROM memory.sys.futex
SELECT futex.ret, sys.futex.fd FROM sys.futex
SELECT * FROM (SELECT ret FROM sys.futex)
SELECT q.* FROM (SELECT ret FROM sys.futex) q
WITH q AS (SELECT ret FROM sys.futex) FROM q
SELECT * FROM sys.ppoll UNION ALL SELECT ret FROM sys.futex
SELECT p.* FROM sys.ppoll p JOIN sys.futex f ON p.pid = f.pid
SELECT 1 AS a; SELECT ret FROM sys.futex; SELECT * FROM losses
SELECT p FROM sys.ppoll p, (SELECT ret FROM sys.futex)
""".strip().splitlines()

SHOWN = """
SELECT * FROM sys.futex
SELECT ret, /* * */ * FROM sys.futex
SELECT f.* FROM sys.futex f
SELECT * FROM (sys.futex f JOIN sys.ppoll p ON f.pid = p.pid)
SELECT ret FROM losses UNION ALL SELECT * FROM sys.futex
SELECT ret FROM losses WHERE EXISTS (SELECT * FROM sys.futex)
SELECT futex.* FROM sys.futex
SELECT DISTINCT ON (pid) * FROM sys.futex
SELECT ret FROM sys.futex ORDER BY COLUMNS('u.*')
SELECT ü, * FROM sys.futex
EXPLAIN SELECT * FROM sys.futex
FROM sys.futex
SELECT 1; FROM sys.futex
SELECT count(*) FROM (FROM sys.futex)
SELECT (FROM sys.futex LIMIT 1)
WITH q AS (SELECT 1 AS a) FROM sys.futex
SELECT ret FROM x UNION BY NAME FROM sys.futex
CREATE TABLE x AS FROM sys.futex
SELECT futex FROM sys.futex
SELECT sys.futex FROM sys.futex
SELECT f FROM sys.futex f
SELECT count(F) FROM sys.futex AS "f"
SELECT a FROM sys.futex AS f(a, b)
SELECT f FROM f: sys.futex
TABLE sys.futex
SUMMARIZE sys.futex
SELECT COLUMNS('u.*') FROM sys.futex
SELECT a FROM t NATURAL JOIN sys.futex
PIVOT sys.futex ON ret
COPY sys.futex TO 'x'
SELECT * FROM (DESCRIBE sys.futex)
""".strip().splitlines()


@pytest.mark.parametrize("query", NAMED)
def test_what_such_queries_show_they_name(query):
    assert not required(query).everything_of("futex")


@pytest.mark.parametrize("query", SHOWN)
def test_such_queries_could_show_every_column(query):
    assert required(query).everything_of("futex")


@pytest.mark.parametrize("query", ["DESCRIBE sys.futex", "desc sys.futex", "PRAGMA table_info('sys.futex')"])
def test_such_queries_need_columns_and_no_rows(query):
    assert required(query).describes


@pytest.mark.parametrize(
    "query", [*NAMED, *SHOWN, "DESCRIBE sys.a; FROM sys.futex", "DESCRIBE SELECT ret FROM sys.futex"]
)
def test_other_queries_need_rows(query):
    assert not required(query).describes


@pytest.mark.parametrize(
    "query", ["", ")", "SELECT 'open", 'SELECT "open', "((((", ") FROM x", "SELECT /* open", "SELECT '\udc80'"]
)
def test_what_is_no_query_is_looked_at_all_the_same(query):
    assert isinstance(required(query).everything_of("futex"), bool)


def test_a_view_called_as_a_word_of_sql_is_no_doubt():
    assert not required("SELECT ret FROM sys.select").everything_of("select")
    assert not required("SELECT s.ret FROM sys.select s").everything_of("select")
    assert required("SELECT * FROM sys.select").everything_of("select")


def test_words_are_those_of_names_strings_and_comments_in_lower_case():
    assert required('SELECT "Utime_TV_sec" FROM x -- y').words == {"select", "utime_tv_sec", "from", "x", "y"}

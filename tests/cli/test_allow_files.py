"""Queries read the trace and nothing else, unless the user allows files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from support.program import run_bpfrec

import bpfrec

QUERIES = (
    "COPY (SELECT 1) TO 'OUT/new.csv'",
    "COPY (SELECT 1 AS a) TO 'OUT/new.parquet' (FORMAT parquet)",
    "copy/**/t from 'OUT/secret.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'OUT/new.csv'",
    "PREPARE p AS COPY (SELECT 1) TO 'OUT/new.csv'; EXECUTE p",
    "SELECT 1; COPY (SELECT 1) TO 'OUT/new.csv'",
    "EXPORT DATABASE 'OUT/new'",
    "IMPORT DATABASE 'OUT'",
    "ATTACH 'OUT/new.db'",
    "ATTACH 'OUT/secret.csv' AS other (READ_ONLY)",
    "FROM read_csv('OUT/secret.csv')",
    "FROM read_text('OUT/secret.csv')",
    "FROM read_blob('OUT/*')",
    "FROM read_json('OUT/secret.csv')",
    "FROM read_parquet('OUT/secret.csv')",
    "FROM glob('OUT/*')",
    "FROM sniff_csv('OUT/secret.csv')",
    "FROM query('FROM read_csv(''OUT/secret.csv'')')",
    "SELECT * FROM (SELECT 1), LATERAL (FROM read_text('OUT/secret.csv'))",
    "CREATE VIEW v AS FROM read_csv('OUT/secret.csv')",
    "CREATE MACRO m() AS TABLE FROM read_text('OUT/secret.csv'); FROM m()",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD 'OUT/secret.csv'",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET memory_limit = '64GB'",
    "SET temp_directory = 'OUT'",
    "SET log_query_path = 'OUT/new.log'",
    "PRAGMA profiling_output = 'OUT/new.json'",
    "SET python_enable_replacements = true",
    "CREATE PERSISTENT SECRET s (TYPE http)",
)
SECRET = "secret-content"


@pytest.fixture(scope="module", params=["file", "folder"])
def trace(request: pytest.FixtureRequest, lab1_trace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "file":
        return lab1_trace
    folder = tmp_path_factory.mktemp("it's a [folder] for=all * of it")
    with zipfile.ZipFile(lab1_trace) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "secret.csv").write_text(f"a,b\n{SECRET},2\n")
    return tmp_path


@pytest.mark.grid
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_and_writes_nothing_else(trace: Path, outside: Path, query: str) -> None:
    done = run_bpfrec("analyze", "-i", trace, "sql", query.replace("OUT", str(outside)))
    assert done.returncode == 1, done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize(
    "query", [*QUERIES[:2], *QUERIES[6:8], QUERIES[10], "INSTALL httpfs", "SET memory_limit = '2GB'"]
)
def test_the_error_says_what_allows_it(lab1_trace: Path, outside: Path, query: str) -> None:
    done = run_bpfrec("analyze", "-i", lab1_trace, "sql", query.replace("OUT", str(outside)))
    assert "is not allowed" in done.stderr
    assert "--allow-files" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_no_query_changes_the_trace(trace: Path) -> None:
    if trace.is_file():
        return
    member = trace / "syscalls.parquet"
    before = member.read_bytes()
    name = str(member).replace("'", "''")
    for options in ("FORMAT parquet, USE_TMP_FILE false", "FORMAT csv, OVERWRITE, USE_TMP_FILE false"):
        for prefix in ("", "EXPLAIN ANALYZE ", "/**/\n", "PREPARE p AS "):
            query = f"{prefix}COPY (SELECT 1 AS a) TO '{name}' ({options}); EXECUTE p"
            assert run_bpfrec("analyze", "-i", trace, "sql", query).returncode == 1
            assert member.read_bytes() == before


def test_a_link_in_a_folder_is_not_followed(trace: Path, outside: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    source = trace if trace.is_dir() else None
    if source is None:
        return
    for member in source.iterdir():
        (folder / member.name).write_bytes(member.read_bytes())
    (folder / "threads.parquet").unlink()
    (folder / "threads.parquet").symlink_to(outside / "secret.csv")
    for query in ("FROM threads", f"FROM read_text('{folder}/threads.parquet')"):
        done = run_bpfrec("analyze", "-i", folder, "sql", query)
        assert done.returncode == 1
        assert SECRET not in done.stdout + done.stderr


def test_files_are_used_if_the_user_allows_them(trace: Path, outside: Path) -> None:
    copy = f"COPY (SELECT count(*) AS n FROM syscalls) TO '{outside / 'out.csv'}'"
    assert run_bpfrec("analyze", "-i", trace, "sql", "--allow-files", copy).returncode == 0
    query = f"FROM read_csv('{outside}/*.csv', union_by_name = true) ORDER BY n"
    done = run_bpfrec("analyze", "-i", trace, "sql", "--allow-files", "--format", "csv", query)
    assert done.stdout == f"n,a,b\n61,,\n,{SECRET},2\n", done.stderr
    attach = (
        f"ATTACH '{outside / 'new.db'}' AS new; CREATE TABLE new.t AS FROM threads; SELECT count(*) AS n FROM new.t"
    )
    done = run_bpfrec("analyze", "-i", trace, "sql", "--allow-files", "--format", "csv", attach)
    assert done.stdout == "n\n1\n", done.stderr


def test_harmless_settings_and_schemas_are_free(trace: Path) -> None:
    query = "SET threads = 1; SET TimeZone = 'UTC'; SET VARIABLE a = 1; USE sys; SELECT count(*) AS copy FROM openat"
    done = run_bpfrec("analyze", "-i", trace, "sql", "--format", "csv", query)
    assert done.stdout == "copy\n26\n", done.stderr
    assert run_bpfrec("analyze", "-i", trace, "sql", "EXPLAIN SELECT 1 AS copy, 'COPY x'").returncode == 0


def test_what_does_not_fit_into_memory_still_goes_to_the_disk(trace: Path) -> None:
    query = "SELECT count(*) AS n FROM (SELECT DISTINCT i, repeat('x', 90) || i FROM range(1000000) AS r(i))"
    limit = {"BPFREC_MEMORY_LIMIT": "100MB"}
    done = run_bpfrec("analyze", "-i", trace, "sql", "--format", "csv", query, environment=limit)
    assert done.stdout == "n\n1000000\n", done.stderr


def test_python_allows_files_only_where_it_is_asked_to(trace: Path, outside: Path) -> None:
    reading = f"SELECT content FROM read_text('{outside / 'secret.csv'}')"
    writing = f"COPY (FROM threads) TO '{outside / 'out.csv'}'"
    with bpfrec.open(trace) as opened:
        for query in (reading, writing):
            for ask in (opened.sql, opened.query, opened.execute, opened.arrow):
                with pytest.raises(bpfrec.BpfrecError, match="not allowed"):
                    ask(query)
        with pytest.raises(Exception, match="disabled by configuration"):
            opened.sql("FROM threads").write_csv(str(outside / "out.csv"))
        assert opened.query("SELECT count(*) FROM threads").rows == [(1,)]
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]
    with bpfrec.open(trace, allow_files=True) as opened:
        assert SECRET in opened.query(reading).rows[0][0]
        opened.sql("FROM threads").write_csv(str(outside / "out.csv"))
    assert (outside / "out.csv").exists()

"""The words that all commands share: the trace in any place, lists, times, formats, files, agents, errors."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.program import run_bpfrec, start_bpfrec
from support.trace_builder import TraceBuilder

from bpfrec.analyze.commands.agent import MOST_BYTES, MOST_CELL, MOST_ROWS


def counts(*arguments: str | Path) -> dict[str, int]:
    done = run_bpfrec("report", "syscount", *arguments, "--format", "json", "--limit", "0")
    assert done.returncode == 0, done.stderr
    return {row["syscall"]: row["count"] for row in json.loads(done.stdout)}


@pytest.mark.grid
@pytest.mark.parametrize(
    "words",
    [
        ("analyze", "-i", "TRACE", "report", "failures"),
        ("analyze", "report", "-i", "TRACE", "failures"),
        ("analyze", "report", "failures", "-i", "TRACE"),
        ("analyze", "report", "failures", "TRACE"),
        ("analyze", "TRACE", "report", "failures"),
        ("report", "failures", "TRACE"),
        ("report", "TRACE", "failures"),
        ("report", "-i", "TRACE", "failures", "TRACE"),
    ],
    ids=" ".join,
)
def test_the_trace_is_named_in_any_place(lab1_trace, words):
    done = run_bpfrec(*(lab1_trace if word == "TRACE" else word for word in words))
    assert done.returncode == 0, done.stderr
    assert "ENOENT" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("sql", "TRACE", "SELECT 41 + 1"),
        ("sql", "SELECT 41 + 1", "TRACE"),
        ("sql", "-c", "SELECT 41 + 1", "-i", "TRACE"),
        ("analyze", "TRACE", "sql", "SELECT 41 + 1"),
        ("analyze", "info", "TRACE"),
        ("analyze", "schema", "TRACE", "losses"),
        ("report", "trace", "TRACE", 'openat "%d", 42'),
        ("report", "argdist", "TRACE", "-C", "p::openat():int:42"),
        ("report", "argdist", "-i", "TRACE", "-C", "p::openat():int:42"),
        ("report", "argdist", "-i", "1", "-i", "TRACE", "-C", "p::openat():int:42"),
    ],
    ids=" ".join,
)
def test_commands_with_arguments_of_their_own_take_the_trace_among_them(lab1_trace, words):
    done = run_bpfrec(*(lab1_trace if word == "TRACE" else word for word in words))
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_long_query_is_no_name_of_a_trace(lab1_trace):
    query = f"SELECT 42 AS n -- {'x' * 5000}"
    assert run_bpfrec("sql", query, "-i", lab1_trace, "--format", "csv").stdout == "n\n42\n"


def test_two_traces_are_refused(lab1_trace, lossy_trace):
    done = run_bpfrec("report", "-i", lab1_trace, "summary", lossy_trace)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(lab1_trace) in done.stderr
    assert str(lossy_trace) in done.stderr


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("syscount",), "bpfrec report syscount"),
        (("analyze", "opensnoop"), "bpfrec report opensnoop"),
        (("repot", "summary"), "report"),
        (("info",), "bpfrec analyze info"),
    ],
)
def test_what_stands_elsewhere_is_pointed_at(words, advice):
    done = run_bpfrec(*words)
    assert done.returncode == 2
    assert advice in done.stderr
    assert "record" not in done.stderr.replace("bpfrec", "")


def test_lists_of_calls_and_processes(lab1_trace):
    every = counts(lab1_trace)
    assert counts(lab1_trace, "--syscall", "openat,write") == {n: every[n] for n in ("openat", "write")}
    assert counts(lab1_trace, "--syscall", "open*") == {n: c for n, c in every.items() if n.startswith("open")}
    assert counts(lab1_trace, "--syscall", "!openat") == {n: c for n, c in every.items() if n != "openat"}
    assert counts(lab1_trace, "--syscall", "/^w") == {"write": every["write"]}
    assert counts(lab1_trace, "--syscall", "%net").keys() <= {"connect", "socket", "accept4", "sendto", "bind"}
    assert counts(lab1_trace, "-p", "99,4242") == counts(lab1_trace, "-p", "99", "-p", "4242") == every
    assert counts(lab1_trace, "-u", "root") == counts(lab1_trace, "-u", "0") != every


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--syscall", "opn*"), "opn*"),
        (("--syscall", "%nothing"), "%file"),
        (("-p", "1,x"), "'x' is no PID"),
        (("-u", "nobody-of-that-name"), "give the number"),
    ],
)
def test_what_cannot_be_chosen_is_wrong_usage(lab1_trace, words, says):
    done = run_bpfrec("report", "failures", lab1_trace, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.startswith("bpfrec: ")


def test_calls_are_chosen_by_path(lab1_trace):
    def paths(*patterns: str) -> set[str]:
        options = [word for pattern in patterns for word in ("--path", pattern)]
        text = run_bpfrec("report", "calls", lab1_trace, *options, "--format", "json").stdout
        return {row["call"].split('"')[1] for row in json.loads(text)}

    (conf,) = paths("*.conf")
    assert conf.startswith("/etc/")
    assert paths(conf) == paths("/etc/*.conf") == paths(conf.rpartition("/")[2]) == {conf}
    assert paths("no-such-file") == set()
    assert paths("no-such-file", "/etc/*") >= {conf}


def test_times_from_a_call_and_with_units(lab1_trace):
    def chosen(*words: str) -> list[int]:
        text = run_bpfrec("report", "calls", lab1_trace, *words, "--format", "json").stdout
        return [row["event_id"] for row in json.loads(text)]

    assert chosen("--from", "event:10", "--to", "event:13") == [10, 11, 12]
    assert chosen("--to", "500ms") == chosen("--to", "0.5") != chosen()
    done = run_bpfrec("report", "calls", lab1_trace, "--from", "event:99999")
    assert (done.returncode, done.stdout) == (1, "")
    assert "event:0 to event:60" in done.stderr


def test_every_format_has_the_same_rows(lab1_trace, tmp_path):
    question = ("report", "failed-opens", lab1_trace)
    rows = json.loads(run_bpfrec(*question, "--format", "json").stdout)
    lines = run_bpfrec(*question, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = run_bpfrec(*question, "--format", "markdown").stdout.splitlines()
    assert len(table) == len(rows) + 2
    assert table[0] == f"| {' | '.join(rows[0])} |"
    for row, line in zip(rows, table[2:], strict=True):
        assert (row["path"] or "") in line
    for suffix in ("json", "jsonl", "csv", "md", "parquet", "txt"):
        file = tmp_path / f"out.{suffix}"
        done = run_bpfrec(*question, "--output", file)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert file.stat().st_size > 0
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))) == len(rows)
    parquet = pq.read_table(tmp_path / "out.parquet")
    assert parquet.column_names == list(rows[0])
    assert parquet.column("count").to_pylist() == [row["count"] for row in rows]
    assert str(parquet.schema.field("first_ts").type) == "timestamp[ns, tz=UTC]"
    assert str(parquet.column("first_ts")[0].as_py())[:23] == rows[0]["first_ts"][:23].replace("T", " ")


@pytest.mark.parametrize("name", ["processes", "argdist"])
def test_lists_and_numbers_fit_into_parquet(lab1_trace, tmp_path, name):
    options = ["-H", "r::openat():u64:$latency"] if name == "argdist" else []
    for file in (tmp_path / "a.parquet", tmp_path / "a.json"):
        assert run_bpfrec("report", name, lab1_trace, *options, "-o", file).returncode == 0
    rows = json.loads((tmp_path / "a.json").read_text())
    assert pq.read_table(tmp_path / "a.parquet").num_rows == len(rows) > 0


def test_many_rows_in_parquet_are_what_few_are(lab1_trace, tmp_path):
    """Many are read in columns; a list, which is not, keeps the answer in rows."""
    times = "syscalls AS s, syscalls AS a, syscalls AS b"
    many = f"SELECT s.* FROM {times} ORDER BY a.event_id, b.event_id, s.event_id LIMIT 60000"
    tables = []
    for name, extra in (("columns", ""), ("rows", ", [1] AS more")):
        query = f"SELECT *{extra}, NULL AS nothing, make_timestamp_ns(ts_ns) AS at FROM ({many})"
        done = run_bpfrec("sql", "-i", lab1_trace, query, "-o", tmp_path / f"{name}.parquet")
        assert done.returncode == 0, done.stderr
        tables.append(pq.read_table(tmp_path / f"{name}.parquet"))
    in_columns, in_rows = tables
    assert in_columns.num_rows == 60_000
    assert in_columns.equals(in_rows.drop_columns("more"))


def test_nothing_is_overwritten_without_force(tmp_path):
    trace = Path(__file__).parents[2] / "sample_traces" / "lab2-node.bpfrec"
    for words in (("report", "failed-opens"), ("analyze", "flamegraph")):
        file = tmp_path / "kept.json"
        file.write_text("mine")
        done = run_bpfrec(*words, "-i", trace, "-o", file)
        assert (done.returncode, done.stdout, file.read_text()) == (1, "", "mine"), words
        assert "--force" in done.stderr
        done = run_bpfrec(*words, "-i", trace, "-o", file, "--force")
        assert done.returncode == 0, done.stderr
        assert json.loads(file.read_text())
        assert list(tmp_path.iterdir()) == [file]


def test_a_failed_question_leaves_no_file(lab1_trace, tmp_path):
    done = run_bpfrec("sql", "-i", lab1_trace, "SELECT error('boom')", "-o", tmp_path / "x.csv")
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    assert run_bpfrec("sql", "-i", lab1_trace, "SELECT 7", "-o", tmp_path / "fifo").returncode == 0
    assert b"7" in os.read(reader, 4096)
    os.close(reader)


def test_an_empty_answer_says_of_how_many(lab1_trace):
    for name in ("opensnoop", "failures", "calls", "files", "latency", "failed-opens", "stacks"):
        done = run_bpfrec("report", name, lab1_trace, "-n", "nobody")
        assert done.stderr.splitlines()[-1] == "bpfrec: none of 61 calls", name
    assert "none of" not in run_bpfrec("report", "opensnoop", lab1_trace).stderr


def test_agents_get_bounded_markdown(lab1_trace):
    agent = {"AI_AGENT": "1"}
    done = run_bpfrec(
        "sql", lab1_trace, f"SELECT range AS n, repeat('x', 10) AS t FROM range({MOST_ROWS * 3})", environment=agent
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["| n:BIGINT | t:VARCHAR |", "|---|---|"]
    assert lines[-1].startswith(f"{MOST_ROWS} of {MOST_ROWS * 3} rows")
    assert len(lines) == MOST_ROWS + 4
    wide = run_bpfrec("sql", lab1_trace, "SELECT repeat('x', 900) FROM range(150)", environment=agent).stdout
    assert len(wide.encode()) < MOST_BYTES + 200
    assert "of 150 rows are shown" in wide
    cell = run_bpfrec("sql", lab1_trace, f"SELECT repeat('x', {MOST_CELL + 5})", environment=agent).stdout
    assert "(+5 characters)" in cell
    assert run_bpfrec("sql", lab1_trace, "SELECT 1 AS a", environment=agent).stdout.endswith("\n\n1 row\n")
    for off in ({"BPFREC_AGENT_MODE": "0"}, {"AI_AGENT": ""}):
        assert "| " not in run_bpfrec("sql", lab1_trace, "SELECT 1", environment=agent | off).stdout
    assert run_bpfrec("sql", lab1_trace, "SELECT 1 AS a", "--format", "csv", environment=agent).stdout == "a\n1\n"


def test_errors_for_agents_are_json(lab1_trace):
    for words, code in ((("sql", lab1_trace, "SELEC 1"), 1), (("report", "nothing"), 2)):
        done = start_bpfrec(*words, environment={"AI_AGENT": "1"})
        error = json.loads(done.stderr)
        assert (done.returncode, error["exit_code"]) == (code, code)
        assert error["error"]


def test_markdown_of_a_hostile_trace_stays_a_table(tmp_path):
    builder = TraceBuilder()
    builder.call("openat", 0, ret=-2, path="a|b\x1b[31m\n| c |")
    trace = builder.write(tmp_path / "t.bpfrec")
    lines = run_bpfrec("sql", trace, "SELECT path, 1 AS n FROM syscalls", "--format", "markdown").stdout.splitlines()
    assert len(lines) == 3
    assert lines[2] == "| a\\|b\\\\x1b[31m<br>\\| c \\| | 1 |"

"""Traces in Apache Spark: the same rows as without it. ``make test-spark`` runs these tests."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.program import Done, run_bpfrec

import bpfrec
import bpfrec.spark
from bpfrec.formats.imports import allow_import

pytest.importorskip("pyspark", reason="Spark is not installed: make test-spark runs these tests")

SAMPLES = Path(__file__).parents[2] / "sample_traces"
NAMES = ("build", "running", "talk")
COUNTS = "SELECT syscall, errno, max(ts) AS last, sum(arg0) AS total, count(*) AS calls FROM syscalls GROUP BY ALL"


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    allow_import("pandas")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        made = builder.config("spark.log.level", "ERROR").config("spark.ui.showConsoleProgress", "false").getOrCreate()
        bpfrec.spark.register(made)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three traces."""
    folder = tmp_path_factory.mktemp("fleet")
    for name in NAMES:
        shutil.copy(SAMPLES / f"{name}.bpfrec", folder)
    return folder


@pytest.fixture(scope="module")
def damaged(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and one that was cut short."""
    folder = tmp_path_factory.mktemp("damaged") / "fleet"
    shutil.copytree(fleet, folder)
    (folder / "broken.bpfrec").write_bytes((fleet / "build.bpfrec").read_bytes()[:50_000])
    return folder


def asked(place: Path, status: Path, runner: str, *arguments: str) -> tuple[Done, list[str], dict[str, str]]:
    """How it went, the rows in order, and the status of each trace."""
    options = ("--fleet", place, "--on", runner, "--format", "csv", "--status", status)
    done = run_bpfrec("fleet", *arguments, *options)
    states = {Path(row["trace"]).stem: row["status"] for row in csv.DictReader(io.StringIO(status.read_text()))}
    return done, sorted(done.stdout.splitlines()), states


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("question", [("sql", COUNTS), ("report", "failed-opens"), ("report", "syscount", "--merged")])
def test_spark_gives_the_rows_of_the_local_pool(damaged: Path, tmp_path: Path, question: tuple[str, ...]) -> None:
    done, local, states = asked(damaged, tmp_path / "local.csv", "local", *question)
    other, rows, same = asked(damaged, tmp_path / "spark.csv", "spark", *question)
    assert (done.returncode, other.returncode) == (1, 1), other.stderr
    assert rows == local
    assert len(rows) > 3
    assert same == states == {"build": "ok", "running": "ok", "talk": "ok", "broken": "unreadable"}
    assert "1 of 4 traces gave no whole answer" in other.stderr


@pytest.mark.usefixtures("session")
def test_a_trace_that_takes_too_long_is_a_row(fleet: Path, tmp_path: Path) -> None:
    slow = """SELECT count(*) AS calls FROM range(4_000_000_000) AS r, (SELECT count(*) AS calls FROM syscalls) AS c
        WHERE c.calls > 1000 AND hash(r.range) % 7 = 0"""
    _, rows, states = asked(fleet, tmp_path / "status.csv", "spark", "sql", slow, "--time-limit", "20")
    assert states == {"build": "timed-out", "running": "ok", "talk": "ok"}
    assert len(rows) == 3


def test_the_source_is_one_table_of_all_traces(session: Any, fleet: Path) -> None:
    table = session.read.format("bpfrec").option("columns", "syscall,errno,arg0,ts").load(str(fleet))
    assert table.columns[0] == "trace"
    failed = table.where("errno = 'ENOENT' AND arg0 >= 0").groupBy("trace").count().collect()
    expected = {}
    for name in NAMES:
        with bpfrec.open(fleet / f"{name}.bpfrec") as trace:
            (count,) = trace.sql("SELECT count(*) FROM syscalls WHERE errno = 'ENOENT' AND arg0 >= 0").fetchall()[0]
        if count:
            expected[str(fleet / f"{name}.bpfrec")] = count
    assert {row["trace"]: row["count"] for row in failed} == expected
    assert len(expected) > 1
    assert table.count() == 4485 + 4 + 560


def test_the_source_tells_of_traces_without_an_answer(session: Any, damaged: Path) -> None:
    source = session.read.format("bpfrec").option("columns", "syscall")
    with pytest.raises(Exception, match="cut short"):
        source.load(str(damaged)).count()
    failed = source.option("failures", "rows").load(str(damaged)).where("failure IS NOT NULL").collect()
    assert [(Path(row["trace"]).stem, "cut short" in row["failure"]) for row in failed] == [("broken", True)]


def test_the_source_asks_reports_and_only_the_chosen_traces(session: Any, damaged: Path) -> None:
    source = session.read.format("bpfrec").option("report", "syscount").option("options", '{"top": 1}')
    rows = source.option("where", "status = 'ok' AND calls > 1000").load(str(damaged)).collect()
    assert [(row["syscall"], row["count"]) for row in rows] == [("lseek", 769)]

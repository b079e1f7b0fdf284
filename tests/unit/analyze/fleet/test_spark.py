"""analyze/fleet/spark_*.py: all that needs no Spark. tests/spark has what does."""

from __future__ import annotations

import pickle
import shutil
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest
from support.program import run_bpfrec

import bpfrec
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.fleet.local_runner import run_local
from bpfrec.analyze.fleet.question import Question
from bpfrec.analyze.fleet.spark_reading import Reading, Wanted
from bpfrec.analyze.fleet.spark_runner import asking, unpacked
from bpfrec.analyze.fleet.spark_types import batches, ddl
from bpfrec.formats.errors import BpfrecError

SAMPLES = Path(__file__).parents[4] / "sample_traces"
COUNTS = "SELECT syscall, errno, arg0, max(ts) AS last, count(*) AS calls FROM syscalls GROUP BY ALL ORDER BY ALL"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    for name in ("build", "running"):
        shutil.copy(SAMPLES / f"{name}.bpfrec", folder)
    return folder


@pytest.fixture(scope="module")
def damaged(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copy(fleet / "running.bpfrec", folder)
    (folder / "zbroken.bpfrec").write_bytes((fleet / "build.bpfrec").read_bytes()[:50_000])
    return folder


def test_what_spark_calls_gives_the_answers_of_the_local_pool(fleet: Path, damaged: Path) -> None:
    traces = [str(path) for folder in (fleet, damaged) for path in sorted(folder.iterdir())]
    question = Question(sql=f"{COUNTS} LIMIT 200")
    task = pickle.loads(pickle.dumps(question))
    names = iter([pa.record_batch({"trace": traces[:3]}), pa.record_batch({"trace": traces[3:]})])
    given = {answer.status.trace: answer for answer in unpacked(asking(task, 600, "", 2)(names))}
    for answer in run_local(traces, question, jobs=1, time_limit_s=600):
        same = given.pop(answer.status.trace)
        assert (same.status.status, same.status.message) == (answer.status.status, answer.status.message)
        assert (same.result is None) == (answer.result is None)
        if answer.result and same.result:
            assert (same.result.columns, same.result.types) == (answer.result.columns, answer.result.types)
            assert same.result.rows == answer.result.rows
    assert given == {}


def read(place: Path, **options: str) -> tuple[Reading, pa.Table]:
    reading = pickle.loads(pickle.dumps(Reading(Wanted.of({"path": str(place), **options}))))
    found = [batch for traces in reading.partitions() for batch in reading.read(traces)]
    return reading, pa.Table.from_batches(found)


def test_the_source_has_the_rows_of_every_trace(fleet: Path) -> None:
    reading, rows = read(fleet, columns="syscall, errno,ts,arg0")
    assert reading.ddl() == "`trace` string, `syscall` string, `errno` string, `ts` timestamp, `arg0` decimal(20,0)"
    for name in ("build", "running"):
        trace = fleet / f"{name}.bpfrec"
        mine = rows.filter(pa.compute.equal(rows["trace"], str(trace))).drop_columns("trace").to_pylist()
        with bpfrec.open(trace) as opened:
            # Spark has microseconds.
            query = "SELECT syscall, errno, make_timestamp(epoch_ns(ts) // 1000) AS ts, arg0 FROM syscalls"
            expected = opened.arrow(query).to_pylist()
        assert [{**row, "ts": row["ts"].replace(tzinfo=None)} for row in mine] == expected


def test_options_choose_traces_and_rows(fleet: Path) -> None:
    _, rows = read(fleet, sql="SELECT errno FROM syscalls WHERE errno = 'ENOENT' -- those alone")
    with bpfrec.open(fleet / "build.bpfrec") as trace:
        query = "SELECT count(*) FROM syscalls WHERE errno = 'ENOENT'"
        assert rows.num_rows == trace.sql(query).fetchall()[0][0] > 0
    reading, rows = read(fleet, where="calls < 100", columns="syscall")
    assert reading.partitions() == [[str(fleet / "running.bpfrec")]]
    assert rows["syscall"].to_pylist() == ["execve"] * 4


def test_a_trace_without_an_answer_is_an_error_or_a_row(damaged: Path) -> None:
    with pytest.raises(BpfrecError, match=r"zbroken\.bpfrec: unreadable: .*cut short"):
        read(damaged, columns="syscall")
    reading, rows = read(damaged, columns="syscall", failures="rows")
    assert reading.columns == ["trace", "syscall", "failure"]
    *calls, failed = rows.to_pylist()
    assert calls == [{"trace": str(damaged / "running.bpfrec"), "syscall": "execve", "failure": None}] * 4
    assert (failed["trace"], failed["syscall"]) == (str(damaged / "zbroken.bpfrec"), None)
    assert "cut short" in failed["failure"]


def test_a_report_is_a_table(fleet: Path) -> None:
    _, rows = read(fleet, report="syscount", options='{"top": 1}')
    assert [row["syscall"] for row in rows.to_pylist()] == ["lseek", "execve"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no traces are named"),
        ({"path": "x", "veiw": "syscalls"}, "no option veiw"),
        ({"path": "x", "view": "syscalls; DROP"}, "name of no view"),
        ({"path": "x", "view": "frames", "sql": "SELECT 1"}, "three questions"),
        ({"path": "x", "failures": "skip"}, "error or rows|'skip'"),
        ({"path": "x", "timelimit": "soon"}, "wrong value"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(BpfrecError, match=message):
        Wanted.of(options)


def test_every_type_has_one_in_spark() -> None:
    columns = ["flag", "small", "many", "huge", "names", "when", "other"]
    types = ["BOOLEAN", "UTINYINT", "UBIGINT", "HUGEINT", "VARCHAR[]", "TIMESTAMP_NS", "MAP(VARCHAR, INTEGER)"]
    row = (True, 255, 2**64 - 1, 10**37, ["a", None], "2026-11-28T12:13:28.192723320", {"a": 1})
    assert ddl(columns, types) == (
        "`flag` boolean, `small` smallint, `many` decimal(20,0), `huge` decimal(38,0), `names` array<string>, "
        "`when` timestamp, `other` string"
    )
    (batch,) = batches(Result(columns, types, [row, (None,) * 7], ""))
    first, second = batch.to_pylist()
    assert (first["many"], first["huge"], first["names"], first["other"]) == (
        Decimal(2**64 - 1),
        Decimal(10**37),
        ["a", None],
        "{'a': 1}",
    )
    assert str(first["when"]) == "2026-11-28 12:13:28.192723+00:00"
    assert set(second.values()) == {None}


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="Spark is installed")
def test_without_spark_the_message_says_what_to_install(fleet: Path) -> None:
    done = run_bpfrec("fleet", "sql", "SELECT 1", "--fleet", fleet, "--on", "spark")
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'bpfrec[spark]'" in done.stderr
    import bpfrec.spark

    with pytest.raises(BpfrecError, match=r"Spark 4 is needed"):
        bpfrec.spark.register(None)

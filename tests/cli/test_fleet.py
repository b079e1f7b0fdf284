"""bpfrec fleet: one question to many traces."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from support.large_trace import split_trace
from support.object_store import BUCKET, object_store, put
from support.program import run_bpfrec

import bpfrec
from bpfrec.analyze.fleet import local_runner
from bpfrec.analyze.fleet.question import Answer, Question, Status, ask

SAMPLES = Path(__file__).parents[2] / "sample_traces"
SAMPLE = SAMPLES / "build.bpfrec"
NAMES = ("build", "running", "talk")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three traces, one of them below another folder, and a file that is none."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "deep").mkdir()
    shutil.copy(SAMPLES / "build.bpfrec", folder)
    shutil.copy(SAMPLES / "running.bpfrec", folder)
    shutil.copy(SAMPLES / "talk.bpfrec", folder / "deep")
    (folder / "broken.bpfrec").write_bytes(SAMPLE.read_bytes()[:50_000])
    return folder


@pytest.fixture(scope="module")
def store() -> Iterator[pyarrow.fs.S3FileSystem]:
    with object_store() as made:
        yield made


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_an_index_has_a_row_for_each_trace_and_is_made_once(fleet: Path, tmp_path: Path) -> None:
    index = tmp_path / "fleet.parquet"
    made = run_bpfrec("fleet", "index", fleet, "-o", index)
    assert (made.returncode, made.stdout) == (0, "")
    assert "4 traces, 1 of them unreadable; 4 were read" in made.stderr
    assert "3 are of older versions, without counts of failed calls; --failures counts them" in made.stderr
    by_name = {Path(row["trace"]).stem: row for row in pq.read_table(index).select(_PLAIN).to_pylist()}
    assert {name: row["status"] for name, row in by_name.items()} == {
        "build": "ok",
        "running": "ok",
        "talk": "ok",
        "broken": "unreadable",
    }
    assert "cut short" in by_name["broken"]["message"]
    for name in NAMES:
        with bpfrec.open(SAMPLES / f"{name}.bpfrec") as trace:
            info = trace.info
        row = by_name[name]
        assert (row["calls"], row["events_lost"], row["host"]) == (info["calls"], info["events_lost"], info["host"])
        assert dict(row["syscalls"]) == info["syscalls"]
        assert row["failures"] is None
    assert "1 were read" in run_bpfrec("fleet", "index", fleet, "-o", index).stderr
    again = run_bpfrec("fleet", "index", fleet, "-o", index, "--failures")
    assert "4 were read" in again.stderr
    assert "older versions" not in again.stderr
    failures = {Path(row["trace"]).stem: row["failures"] for row in pq.read_table(index).select(_PLAIN).to_pylist()}
    with bpfrec.open(SAMPLE) as trace:
        query = "SELECT errno, count(*) FROM syscalls WHERE errno IS NOT NULL GROUP BY ALL ORDER BY ALL"
        assert failures["build"] == trace.query(query).rows
    os.utime(fleet / "running.bpfrec")
    assert "2 were read" in run_bpfrec("fleet", "index", fleet, "-o", index, "--failures").stderr


_PLAIN = ["trace", "status", "message", "host", "calls", "events_lost", "syscalls", "failures"]


def test_a_report_to_some(fleet: Path, tmp_path: Path) -> None:
    status = tmp_path / "status.csv"
    done = run_bpfrec(
        "fleet",
        "report",
        "syscount",
        "--fleet",
        fleet,
        "--top",
        "2",
        "--jobs",
        "2",
        "--format",
        "csv",
        "--status",
        status,
    )
    assert done.returncode == 1, "one trace is broken"
    assert "1 of 4 traces gave no whole answer" in done.stderr
    got = rows(done.stdout)
    for name in NAMES:
        with bpfrec.open(SAMPLES / f"{name}.bpfrec") as trace:
            expected = trace.report("syscount", top=2).rows
        mine = [(row["syscall"], int(row["count"])) for row in got if Path(row["trace"]).stem == name]
        assert mine == expected
    states = {Path(row["trace"]).stem: row["status"] for row in rows(status.read_text())}
    assert states == {"build": "ok", "running": "ok", "talk": "ok", "broken": "unreadable"}


def test_where_chooses_before_a_trace_is_opened(fleet: Path, tmp_path: Path) -> None:
    index = tmp_path / "fleet.parquet"
    run_bpfrec("fleet", "index", fleet, "-o", index)
    ask_for = ("fleet", "sql", "SELECT count(*) AS calls FROM syscalls", "--format", "json", "--fleet")
    done = run_bpfrec(*ask_for, index, "--where", "status = 'ok' AND calls > 500 -- all but one")
    assert done.returncode == 0, done.stderr
    assert {(Path(row["trace"]).stem, row["calls"]) for row in json.loads(done.stdout)} == {
        ("build", 4485),
        ("talk", 560),
    }
    for wrong in ("calls >", "nothing = 1", "1 = (SELECT count(*) FROM read_text('/etc/passwd'))"):
        failed = run_bpfrec(*ask_for, index, "--where", wrong)
        assert (failed.returncode, failed.stdout) == (1, ""), wrong
    none = run_bpfrec(*ask_for, index, "--where", "calls < 0")
    assert (none.returncode, "no trace is chosen" in none.stderr) == (1, True)
    listed = tmp_path / "list.txt"
    listed.write_text(f"# those of the ticket\n{SAMPLE}\n\n")
    assert len(json.loads(run_bpfrec(*ask_for, listed).stdout)) == 1
    assert run_bpfrec(*ask_for, tmp_path / "none").returncode == 1


def test_a_wrong_query_is_a_status(fleet: Path) -> None:
    done = run_bpfrec("fleet", "sql", "SELECT nothing FROM syscalls", "--fleet", fleet)
    assert (done.returncode, done.stdout) == (1, "")
    assert "4 of 4 traces gave no whole answer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def tenths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return split_trace(tmp_path_factory.mktemp("tenths"), 10)


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("syscount", ("-L",), ("syscall", "count", "total_ns")),
        ("latency", ("-H",), ("syscall", "from_ns", "to_ns", "count")),
        ("denied", (), ("uid", "comm", "syscall", "errno", "count", "first_ts", "last_ts")),
        ("failures", ("--path", "/etc/*"), ("syscall", "errno", "object", "count", "first_ts", "last_ts")),
        ("files", ("--path", "/etc/*"), ("path", "calls", "failures", "total_ns")),
    ],
)
def test_merged_answers_are_those_of_one_trace(
    tenths: Path, name: str, options: tuple[str, ...], key: tuple[str, ...]
) -> None:
    merged = run_bpfrec(
        "fleet", "report", name, "--merged", "--fleet", tenths, "--format", "csv", "--top", "0", *options
    )
    whole = run_bpfrec("report", name, "-i", SAMPLE, "--format", "csv", "--top", "0", *options)
    assert merged.returncode == whole.returncode == 0, merged.stderr
    expected = sorted(tuple(row[column] for column in key) for row in rows(whole.stdout))
    assert sorted(tuple(row[column] for column in key) for row in rows(merged.stdout)) == expected
    assert all(1 <= int(row["traces"]) <= 10 for row in rows(merged.stdout))


def test_what_cannot_be_merged_is_refused(fleet: Path) -> None:
    for arguments in (("summary",), ("syscount", "-P"), ("latency",), ("failures", "-P")):
        done = run_bpfrec("fleet", "report", *arguments, "--merged", "--fleet", fleet)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert "merged" in done.stderr
    listed = run_bpfrec("fleet", "report").stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["denied", "failures", "files", "latency", "syscount"]


def test_a_fleet_in_a_store(store: pyarrow.fs.S3FileSystem, tmp_path: Path) -> None:
    for name in NAMES:
        put(store, f"fleet/{name}.bpfrec", (SAMPLES / f"{name}.bpfrec").read_bytes())
    put(store, "fleet/readme.txt", b"no trace")
    index = tmp_path / "fleet.parquet"
    made = run_bpfrec("fleet", "index", f"s3://{BUCKET}/fleet/", "-o", index)
    assert "3 traces; 3 were read" in made.stderr
    assert "3 traces; 0 were read" in run_bpfrec("fleet", "index", f"s3://{BUCKET}/fleet", "-o", index).stderr
    assert pq.read_table(index)["trace"].to_pylist() == [f"s3://{BUCKET}/fleet/{name}.bpfrec" for name in NAMES]
    query = ("fleet", "sql", "SELECT count(*) AS calls FROM syscalls", "--format", "csv", "--fleet")
    done = run_bpfrec(*query, index, "--status", tmp_path / "status.csv")
    assert {row["calls"] for row in rows(done.stdout)} == {"4485", "4", "560"}
    assert all(int(row["bytes_read"]) > 0 for row in rows((tmp_path / "status.csv").read_text()))
    assert run_bpfrec("fleet", "export", "--fleet", index, "--to", f"s3://{BUCKET}/lake").returncode == 0
    parts = store.get_file_info(pyarrow.fs.FileSelector(f"{BUCKET}/lake/syscalls", recursive=True))
    assert sum(part.type == pyarrow.fs.FileType.File for part in parts) == 3


def test_a_lake_is_a_copy_and_its_views_work(fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = tmp_path / "lake"
    done = run_bpfrec("fleet", "export", "--fleet", fleet, "--to", lake)
    assert done.returncode == 1
    assert "3 of 4 traces" in done.stderr
    monkeypatch.chdir(lake)
    connection = duckdb.connect()
    connection.execute((lake / "views.sql").read_text())
    counted = connection.execute(
        "SELECT t.calls, count(*) FROM syscalls AS s JOIN traces AS t ON t.id = s.trace GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert counted == [(4, 4), (560, 560), (4485, 4485)]
    with bpfrec.open(SAMPLE) as trace:
        (copied,) = (lake / "syscalls").glob("trace=build-*/part.parquet")
        assert copied.read_bytes() == b"".join(trace._reader.blocks("syscalls"))


def test_a_trace_that_takes_too_long() -> None:
    slow = Question(sql="SELECT sum(hash(a.range + b.range)) FROM range(100000000) a, range(100000000) b")
    answers = list(local_runner.run_local([str(SAMPLE)], slow, jobs=1, time_limit_s=3))
    assert [(answer.status.status, answer.result) for answer in answers] == [("timed-out", None)]


def test_workers_that_die_are_replaced(tmp_path: Path) -> None:
    """In a process of its own: it is told to kill its workers."""
    script = tmp_path / "dying.py"
    script.write_text(
        f"""
import os, signal
from bpfrec.analyze.fleet import local_runner
from bpfrec.analyze.fleet.question import Question

if __name__ == "__main__":
    given = local_runner._give
    def give(worker, trace, question):
        given(worker, trace, question)
        if trace.endswith("talk.bpfrec"):
            os.kill(worker.process.pid, signal.SIGKILL)
    local_runner._give = give
    traces = [{str(SAMPLES)!r} + "/" + name + ".bpfrec" for name in {NAMES!r}]
    question = Question(sql="SELECT count(*) FROM syscalls")
    for answer in local_runner.run_local(traces, question, jobs=1, time_limit_s=60):
        print(answer.status.trace.rpartition("/")[2], answer.status.status, answer.result and answer.result.rows[0][1])
"""
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True)
    assert sorted(done.stdout.splitlines()) == [
        "build.bpfrec ok 4485",
        "running.bpfrec ok 4",
        "talk.bpfrec died None",
    ]


def test_a_question_is_asked_without_a_runner() -> None:
    answer = ask(str(SAMPLE), Question("syscount", {"top": 1}))
    assert isinstance(answer, Answer)
    assert isinstance(answer.status, Status)
    assert answer.result is not None
    assert answer.result.arrow().to_pylist() == [{"trace": str(SAMPLE), "syscall": "lseek", "count": 769}]
    assert ask("nowhere.bpfrec", Question(sql="SELECT 1")).status.status == "unreadable"
    assert ask(str(SAMPLE), Question("syscount", {"wrong": 1})).status.status == "failed"


SLOW_IN_SOME = """SELECT count(*) FROM range(4_000_000_000) AS r, (SELECT count(*) AS calls FROM syscalls) AS c
    WHERE c.calls > 100 AND hash(r.range) % 7 = 0"""
"""Hours for the samples build and talk, and nothing to do for running, which has four calls."""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_the_answers_so_far(tmp_path: Path, number: int, status: int) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(str(SAMPLES / f"{name}.bpfrec") for name in NAMES))
    with asking(tmp_path, listed, "--status", str(tmp_path / "status.csv")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "trace,count_star()\n"
        assert process.stdout.readline() == f"{SAMPLES / 'running.bpfrec'},0\n"
        workers = children(process.pid)
        assert len(workers) >= 3
        process.send_signal(number)
        assert process.wait(60) == status
        assert process.stdout.read() == ""
        assert process.stderr.read() == "bpfrec: ended by a signal: 1 of 3 traces were asked\n"
    assert still_running(workers) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    states = {Path(row["trace"]).stem: row["status"] for row in rows((tmp_path / "status.csv").read_text())}
    assert states == {"build": "unasked", "running": "ok", "talk": "unasked"}


def test_no_process_outlives_one_that_is_killed(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(str(SAMPLES / f"{name}.bpfrec") for name in NAMES))
    with asking(tmp_path, listed) as process:
        assert process.stdout is not None
        process.stdout.readline()
        workers = children(process.pid)
        assert len(workers) >= 3
        process.kill()
        process.wait(60)
    assert still_running(workers) == []


def asking(tmp_path: Path, listed: Path, *more: str) -> subprocess.Popen[str]:
    """A process that asks the traces in ``listed`` at a time; its temporary files are in ``tmp``."""
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "bpfrec", "fleet", "sql", SLOW_IN_SOME, "--jobs", "3", "--format", "csv"]
    return subprocess.Popen(
        [*command, "--fleet", str(listed), *more],
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def still_running(pids: list[int]) -> list[int]:
    """Those of ``pids`` that have not ended after a minute; Python's own helpers end a moment after their parent."""
    end = time.monotonic() + 60
    while any(map(is_running, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_index_does_not_wait_for_a_silent_server_when_it_is_ended(tmp_path: Path) -> None:
    asked, over = threading.Event(), threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            over.wait(300)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/t.bpfrec"
    index = tmp_path / "fleet.parquet"
    command = [sys.executable, "-m", "bpfrec", "fleet", "index", address, "-o", str(index)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            # It would be three times 20 seconds until the server is given up.
            assert process.wait(45) == 130
        finally:
            process.kill()
            over.set()
            server.shutdown()
            server.server_close()
        assert "1 traces were not read; run it again" in process.stderr.read()
    assert pq.read_table(index).select(["trace", "status"]).to_pylist() == [{"trace": address, "status": "unread"}]

"""``bpfrec import`` of perf script's text. perf.txt is of ``perf record -g -e cpu-clock`` of a program and of dd."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.program import run_bpfrec

from bpfrec.analyze.imports.perf_lines import Frame, Head, is_perf_script, parse_frame, parse_head, parse_lost

KERNEL = 0xFFFFFFFC00000010
TEXT = Path(__file__).with_name("perf.txt")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("perf") / "ticket.bpfrec"
    done = run_bpfrec("import", TEXT, "-o", target, "--zone", "+00:00")
    assert done.returncode == 0, done.stderr
    lines = len(TEXT.read_text().splitlines())
    assert done.stderr == f"{target}: {len(blocks())} samples from {lines} lines\n"
    return target


def blocks() -> list[list[str]]:
    """The samples of the text, each as its lines."""
    body = TEXT.read_text().rpartition("# ========\n#\n")[2]
    return [block.splitlines() for block in body.strip("\n").split("\n\n")]


def asked(trace: Path, query: str) -> list[dict[str, Any]]:
    done = run_bpfrec("analyze", "-i", trace, "sql", query, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_every_sample_is_there_with_its_thread_time_and_functions(trace: Path) -> None:
    wanted: Counter[tuple[object, ...]] = Counter()
    for head, *frames in blocks():
        comm, ids, time, *_ = head.split()
        pid, tid = map(int, ids.split("/"))
        names = [frame.split(maxsplit=1)[1].rpartition(" (")[0].partition("+0x")[0] for frame in frames]
        wanted[comm, pid, tid, time.rstrip(":"), ";".join(names)] += 1
    rows = asked(
        trace,
        "SELECT comm, pid, tid, printf('%d.%06d', ts_ns // 1000000000, ts_ns % 1000000000 // 1000) AS time, "
        "concat_ws(';', (SELECT string_agg(coalesce(symbol, '[unknown]'), ';' ORDER BY depth) FROM frames f "
        "WHERE f.stack_id = s.kernel_stack_id), (SELECT string_agg(coalesce(symbol, '[unknown]'), ';' ORDER BY depth) "
        "FROM frames f WHERE f.stack_id = s.stack_id)) AS names FROM samples s",
    )
    assert Counter(tuple(row.values()) for row in rows) == wanted
    assert wanted.total() > 10


def test_kernel_and_user_stacks_are_apart(trace: Path) -> None:
    rows = asked(
        trace,
        "SELECT (pid IS NULL) AS of_kernel, list(DISTINCT module ORDER BY module) AS modules, "
        "count(*) FILTER ((source = 'kernel') != (pid IS NULL)) AS wrong FROM frames JOIN stacks USING (stack_id) "
        "GROUP BY 1 ORDER BY 1",
    )
    assert [row["of_kernel"] for row in rows] == [False, True]
    assert [row["wrong"] for row in rows] == [0, 0]
    assert "/tmp/demo/spin" in rows[0]["modules"]
    assert rows[1]["modules"] == ["[kernel]"]


def test_flame_graphs_and_exports_of_it_work(trace: Path, tmp_path: Path) -> None:
    folded = run_bpfrec("analyze", "flamegraph", trace, "--samples")
    assert folded.returncode == 0, folded.stderr
    assert sum(int(line.rpartition(" ")[2]) for line in folded.stdout.splitlines()) == len(blocks())
    assert "spin;main;run;inner " in folded.stdout.replace("__libc_start_call_main;", "")
    timed = run_bpfrec("analyze", "flamegraph", trace, "--samples", "--by", "time")
    assert sum(int(line.rpartition(" ")[2]) for line in timed.stdout.splitlines()) == len(blocks()) * round(1e9 / 149)
    done = run_bpfrec("analyze", "export", trace, "-o", tmp_path / "t.json")
    assert done.returncode == 0, done.stderr
    profile = json.loads((tmp_path / "t.json").read_text())
    assert sum(len(thread["samples"]["data"]) for thread in profile["threads"]) == len(blocks())


def test_the_head_of_the_file_tells_of_the_host(trace: Path) -> None:
    [info] = json.loads(run_bpfrec("analyze", "info", trace, "--format", "json").stdout)
    assert (info["host"], info["kernel"], info["cpus"]) == ("demo", "6.18.0", 2)
    assert info["stop"].startswith("2026-11-28T")
    assert {row["kind"] for row in asked(trace, "FROM losses")} == {"calls-not-recorded"}


def test_what_is_not_understood_or_not_imported_is_counted(tmp_path: Path) -> None:
    text = tmp_path / "perf.txt"
    text.write_text(
        "spin 7 1.5: 1000 cycles:u: \n\t 116e inner+0x15 (/bin/spin)\n\n"
        "spin 7 1.6: 1000 instructions:u: \n\t 116e inner+0x15 (/bin/spin)\n\n"
        "spin 7 1.7: sched:sched_switch: prev_comm=spin\n\t ffffffff81000000 schedule+0x1 ([kernel.kallsyms])\n\n"
        "spin 7 1.8: PERF_RECORD_LOST lost 5\nwhat is this\n"
    )
    done = run_bpfrec("import", text, "-o", tmp_path / "t.bpfrec")
    assert done.stderr.endswith("1 samples from 11 lines; not understood: 1, in the table log_lines\n")
    losses = {row["kind"]: row["count"] for row in asked(tmp_path / "t.bpfrec", "FROM losses")}
    assert losses == {
        "samples-lost": 5,
        "other-events": 2,
        "pid-unknown": 1,
        "lines-not-understood": 1,
        "calls-not-recorded": 1,
    }
    assert run_bpfrec("analyze", "export", tmp_path / "t.bpfrec", "-o", tmp_path / "t.json").returncode == 0
    threads = json.loads((tmp_path / "t.json").read_text())["threads"]
    assert [(t["tid"], t["name"], len(t["samples"]["data"])) for t in threads] == [(7, "spin", 1)]
    [row] = asked(tmp_path / "t.bpfrec", "SELECT pid, tid, ts_ns FROM samples")
    assert row == {"pid": None, "tid": 7, "ts_ns": 1_500_000_000}


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("java 25607 4794564.109216: cycles:", Head("java", None, 25607, None, 4794564109216000, "cycles")),
        (
            "V8 WorkerThread 24636/25607 [000] 94564.109216: cycles:",
            Head("V8 WorkerThread", 24636, 25607, 0, 94564109216000, "cycles"),
        ),
        (
            "FS Broker 5858  5791/5860  30171.917889:    4612247 cycles:ppp: ",
            Head("FS Broker 5858", 5791, 5860, None, 30171917889000, "cycles:ppp"),
        ),
        (
            "Gecko\t25122 [007] 115539.936601:\t\t1000000 task-clock:u:",
            Head("Gecko", None, 25122, 7, 115539936601000, "task-clock:u"),
        ),
        (
            "java 25607/25608 4794564.109216: 33 cycles:uppp",
            Head("java", 25607, 25608, None, 4794564109216000, "cycles:uppp"),
        ),
        ("what is this", None),
        ("a ² 1.5: cycles:", None),
        (f"a {'9' * 5000} 1.5: cycles:", None),
    ],
)
def test_heads_of_samples(text: str, head: Head | None) -> None:
    assert parse_head(text) == head


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("\t 116e inner+0x15 (/tmp/demo/spin)", Frame(False, "inner", 0x15, "/tmp/demo/spin", 0x116E, True)),
        ("\t 7f0e5edb0000 [unknown] ([unknown])", Frame(False, None, None, None, 0x7F0E5EDB0000, False)),
        (
            "\t 7f0e Lazy:~f a.js:1 (/tmp/perf-7.map)",
            Frame(False, "Lazy:~f a.js:1", None, "perf-7.map", 0x7F0E, False),
        ),
        (
            "\tfffffffc00000010 ext4_read+0x10 ([ext4])",
            Frame(True, "ext4_read", 0x10, "[ext4]", KERNEL, False),
        ),
        (
            "\tfffffffc00000010 ext4_read ([kernel.kallsyms])",
            Frame(True, "ext4_read", None, "[kernel]", KERNEL, False),
        ),
        (
            "\tfffffffc00000010 x (/lib/modules/6/ext4.ko.xz)",
            Frame(True, "x", None, "[ext4]", KERNEL, False),
        ),
        ("\t 7ffe vdso_gettime+0x1 ([vdso])", Frame(False, "vdso_gettime", 1, "[vdso]", 0x7FFE, False)),
        ("\t 10 std::f(int)+0x2 (/a (deleted))", Frame(False, "std::f(int)", 2, "/a (deleted)", 0x10, True)),
        ("  no frame", None),
    ],
)
def test_frames(text: str, frame: Frame | None) -> None:
    assert parse_frame(text) == frame


def test_what_is_of_perf_is_told_from_logs_of_strace() -> None:
    assert is_perf_script(TEXT.read_text()[:4096])
    assert is_perf_script("spin 7 1.5: 1000 cycles:u: \n\t 116e inner+0x15 (/bin/spin)\n")
    assert not is_perf_script(TEXT.with_name("strace.log").read_text())
    assert not is_perf_script('12 1795879786.504248 open("1.5: a", 0) = 3\n > /lib/libc.so(open+0x1) [0x1]\n')
    assert not is_perf_script("")
    assert parse_lost("spin 7 1.8: PERF_RECORD_LOST lost 5") == 5
    assert parse_lost("spin 7 1.8: PERF_RECORD_COMM: spin:7") == 0


def test_names_that_are_not_utf_8_are_escaped(tmp_path: Path) -> None:
    """Found by fuzzing: it was a traceback."""
    log, target = tmp_path / "perf.txt", tmp_path / "t.bpfrec"
    log.write_bytes(
        b"# ========\n# hostname : h\xff\n# perf version 6.1\n# ========\n#\n"
        b"a\xff 7/7 1.000001: 1 cpu-clock:\n\t7f00 f\xff+0x1 (/x\xff)\n\nnonsense\xff\n"
    )
    done = run_bpfrec("import", log, "-o", target)
    assert done.returncode == 0, done.stderr
    (row,) = asked(target, "SELECT comm, symbol, module FROM samples JOIN frames USING (stack_id)")
    assert list(row.values()) == ["a\\xff", "f\\xff", "/x\\xff"]
    assert asked(target, "SELECT text FROM log_lines") == [{"text": "nonsense\\xff"}]

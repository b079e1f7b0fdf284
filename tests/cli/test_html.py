"""``bpfrec analyze html``: what is in the page, that it is bounded, and that nothing of a trace is markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.program import run_bpfrec

import bpfrec
from bpfrec.analyze.page.document import inert, joined_modules
from bpfrec.analyze.page.draw import page
from bpfrec.analyze.page.tables import TABLES
from bpfrec.analyze.page.timeline import Room

SAMPLES = Path(__file__).parents[2] / "sample_traces"


def data_of(text: str) -> dict[str, Any]:
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    found: dict[str, Any] = json.loads(data)
    return found


@pytest.fixture(scope="module")
def build_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("page") / "build.html"
    done = run_bpfrec("analyze", "-i", SAMPLES / "build.bpfrec", "html", "-o", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return target.read_text()


def test_the_page_says_what_the_reports_say(build_page: str) -> None:
    model = data_of(build_page)
    assert model["title"] == "build.bpfrec"
    tables = {table["id"]: table for table in model["tables"]}
    with bpfrec.open(SAMPLES / "build.bpfrec") as trace:
        for spec in TABLES:
            rows = trace.report(spec.report).dicts()
            assert tables[spec.name]["total"] == len(rows) == len(tables[spec.name]["rows"])
            numbers = [place for place, column in enumerate(spec.columns) if column[2] in ("count", "ns", "bytes")]
            assert [[row[n] for n in numbers] for row in tables[spec.name]["rows"]] == [
                [row[spec.columns[n][0]] for n in numbers] for row in rows
            ]
        calls = trace.report("calls").dicts()
        summary = trace.report("summary", top=50).dicts()
        stacks = dict(
            trace.query("SELECT event_id, stack_text(stack_id) FROM syscalls WHERE stack_id IS NOT NULL").rows
        )
    timeline = model["timeline"]
    assert timeline["total"] == len(calls) == 4485
    assert timeline["calls"]["event"] == [call["event_id"] for call in calls]
    assert timeline["calls"]["took"] == [call["duration_ns"] for call in calls]
    assert [timeline["names"][name] for name in timeline["calls"]["name"]] == [call["syscall"] for call in calls]
    assert sum(timeline["activity"]["calls"]) == len(calls)
    assert sum(timeline["activity"]["failed"]) == sum(call["errno"] is not None for call in calls)
    assert [row[0] for row in model["summary"]["time"]] == [row["name"] for row in summary if row["section"] == "time"]
    for event, stack in zip(timeline["calls"]["event"], timeline["calls"]["stack"], strict=True):
        if stack is not None:
            frames = [timeline["frames"][frame] for frame in timeline["stacks"][str(stack)]]
            assert "\n".join(frames) == (stacks[event] or "")
    wait = timeline["calls"]["took"].index(max(took for took in timeline["calls"]["took"] if took is not None))
    assert timeline["objects"][timeline["calls"]["object"][wait]] == "process 8667"


def test_findings_have_their_commands(tmp_path: Path) -> None:
    target = tmp_path / "a page.html"
    run_bpfrec("analyze", "-i", SAMPLES / "lab1-server.bpfrec", "html", "-o", target)
    model = data_of(target.read_text())
    assert [finding[3] for finding in model["summary"]["findings"]] == [
        "bpfrec report failed-opens -p 8515",
        "bpfrec report latency -p 8515 --syscall clock_nanosleep -H",
    ]
    assert model["trace"] == "lab1-server.bpfrec"
    assert [flame["name"] for flame in model["flames"]] == [
        "time in system calls",
        "number of system calls",
        "failed system calls",
    ]


def test_options_choose_calls(tmp_path: Path) -> None:
    target = tmp_path / "t.html"
    run_bpfrec("analyze", "-i", SAMPLES / "build.bpfrec", "html", "-o", target, "-p", "8674", "-x")
    model = data_of(target.read_text())
    assert model["timeline"]["total"] == 27
    assert {lane["pid"] for lane in model["timeline"]["lanes"]} == {8674}
    assert model["chosen"] == ["pid 8674", "failed"]


def test_what_is_left_out_is_counted() -> None:
    small = Room(calls=100, lanes=11, buckets=500, stacks=2, rows=3, frames=10)
    with bpfrec.open(SAMPLES / "build.bpfrec") as trace:
        model = data_of(page(trace, {}, small))
        rows = trace.query("SELECT tid, count(*) FROM syscalls GROUP BY tid ORDER BY 2 DESC LIMIT 11").rows
        longest = trace.query("SELECT event_id FROM syscalls ORDER BY duration_ns DESC NULLS LAST LIMIT 1").rows[0][0]
        files = len(trace.report("files"))
    timeline = model["timeline"]
    shown = sum(count for _, count in rows)
    assert len(timeline["calls"]["event"]) <= 100
    assert longest in timeline["calls"]["event"]
    assert sum(timeline["buckets"]["calls"]) == shown
    assert {lane["tid"]: lane["calls"] for lane in timeline["lanes"]} == dict(rows)
    assert len(timeline["stacks"]) <= 2
    assert timeline["notes"][0].startswith(f"{len(timeline['calls']['event'])} of 4,485 calls are drawn one by one")
    assert timeline["notes"][1] == f"Threads without a lane, those with the fewest calls: 1, with {4485 - shown} calls."
    table = next(table for table in model["tables"] if table["id"] == "files")
    assert (len(table["rows"]), table["total"]) == (3, files)
    assert any("too narrow" in note for note in model["flames"][0]["notes"])


def test_the_policy_permits_just_what_is_in_the_page(build_page: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', build_page)
    hashes = re.findall(r"'(sha256-[^']*)'", policy)
    inline = [
        *re.findall(r"<script>(.*?)</script>", build_page, re.DOTALL),
        *re.findall(r"<style>(.*?)</style>", build_page, re.DOTALL),
    ]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline]
    assert hashes == [f"sha256-{digest}" for digest in digests]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(
        r"fetch\(|XMLHttpRequest|innerHTML|insertAdjacentHTML|document\.write|\beval\(|WebSocket", build_page
    )
    assert not re.search(r"<(img|link|iframe|object|embed|form)\b|\b(src|href)=[\"']?https?:", build_page)


def test_names_are_text(hostile_trace: Path, tmp_path: Path) -> None:
    target = tmp_path / "hostile.html"
    done = run_bpfrec("analyze", "-i", hostile_trace, "html", "-o", target)
    assert done.returncode == 0, done.stderr
    text = target.read_text()
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert not set("<>&").intersection(data)
    assert "\x1b" not in text
    assert json.loads(inert({"a": "</script><!--&"})) == {"a": "</script><!--&"}


@pytest.mark.parametrize("main", ["main.js", "viewer.js"])
def test_modules_are_joined_into_one_script(main: str) -> None:
    script = joined_modules(main)
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    names = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", script, re.MULTILINE)
    assert len(names) == len(set(names))


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "t.html"
    target.write_text("mine")
    done = run_bpfrec("analyze", "-i", SAMPLES / "talk.bpfrec", "html", "-o", target)
    assert (done.returncode, target.read_text()) == (1, "mine")
    assert "--force to replace it" in done.stderr


def test_the_viewer_is_for_any_trace(tmp_path: Path) -> None:
    target = tmp_path / "viewer.html"
    for given in (("-i", SAMPLES / "talk.bpfrec"), ("-p", "1")):
        done = run_bpfrec("analyze", "html", "--viewer", "-o", target, *given)
        assert (done.returncode, target.exists()) == (2, False)
        assert "--viewer is for any trace" in done.stderr
    done = run_bpfrec("analyze", "html", "--viewer", "-o", target, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = target.read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert len(re.findall(r"'sha256-[^']*'", policy)) == 4
    assert "unsafe" not in policy
    model = data_of(text)
    assert model["facts"]["kind_names"][model["facts"]["kinds"]["futex"]] == "waits"
    assert model["facts"]["paths"]["openat"] == 1
    assert [table["id"] for table in model["tables"]] == [spec.name for spec in TABLES]


def test_the_folder_of_the_trace_is_not_in_the_page(tmp_path: Path) -> None:
    target = tmp_path / "t.html"
    run_bpfrec("analyze", "-i", SAMPLES / "talk.bpfrec", "html", "-o", target)
    assert data_of(target.read_text())["summary"]["recording"][0][:2] == ["file", "talk.bpfrec"]
    assert str(SAMPLES) not in target.read_text()

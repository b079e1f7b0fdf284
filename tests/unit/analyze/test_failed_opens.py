"""The report failed-opens: what was missing, what was tried again, what was found elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema

Row = dict[str, Any]
Opens = Callable[..., list[Row]]
ENOENT, EACCES = -2, -13


@pytest.fixture
def opens(tmp_path: Path) -> Opens:
    """What the report says of opens: a time in ms, a path, the result, and the process unless it is 4242."""

    def answer(*made: tuple[Any, ...], **options: Any) -> list[Row]:
        builder = TraceBuilder()
        for pid in {4242, *(pid for _, _, _, *pids in made for pid in pids)}:
            builder.add(schema.PROCESSES, pid=pid, ppid=1, cwd="/srv", root="/", snapshot_ns=START_NS)
        for at, path, ret, *pid in made:
            builder.call("openat", round(at * MS), -100, 1, 0, ret=ret, path=path, pid=pid[0] if pid else 4242)
        with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
            return trace.report("failed-opens", **options).dicts()

    return answer


def test_processes_are_counted_together(opens: Opens) -> None:
    made = [
        (0, "/a", ENOENT),
        (1, "/a", ENOENT, 7),
        (2, "/a", EACCES),
        (3, "conf", ENOENT),
        (4, "/srv/conf", ENOENT, 7),
    ]
    rows = opens(*made)
    told = [(row["resolved_path"], row["errno"], row["count"], row["processes"], row["pid"]) for row in rows]
    assert told == [
        ("/a", "ENOENT", 2, 2, None),
        ("/srv/conf", "ENOENT", 2, 2, None),
        ("/a", "EACCES", 1, 1, 4242),
    ]
    by_process = opens(*made, process=True)
    assert sorted((row["resolved_path"], row["pid"]) for row in by_process) == [
        ("/a", 7),
        ("/a", 4242),
        ("/a", 4242),
        ("/srv/conf", 7),
        ("/srv/conf", 4242),
    ]


def test_a_missing_file_that_is_tried_again_is_on_top(opens: Opens) -> None:
    often = [(10 + pid, "/often", ENOENT, pid) for pid in range(1, 6)]
    rows = opens(
        (0, "/again", ENOENT), *often, (900, "/again", ENOENT), (901, "/denied", EACCES), (902, "/denied", EACCES)
    )
    assert [(row["path"], row["retried"], row["tries"]) for row in rows] == [
        ("/again", True, 2),
        ("/often", False, 1),
        ("/denied", False, 2),
    ]


def test_whether_a_file_was_there_later(opens: Opens) -> None:
    rows = opens((0, "/a", 3), (1, "/a", ENOENT), (2, "/b", ENOENT), (500, "b", 3), (501, "/b", 3, 7))
    assert [(row["path"], row["exists_later"]) for row in rows] == [("/a", False), ("/b", True)]


def test_a_file_of_the_same_name_that_the_process_opened_later(opens: Opens) -> None:
    rows = opens((0, "/etc/app.conf", ENOENT), (900, "/usr/app.conf", 3, 7), (901, "/opt/app.conf", 3))
    assert [(row["other_name"], row["found"]) for row in rows] == [("/opt/app.conf", None)], "too late for a search"
    assert opens((0, "/opt/a", 3), (1, "/etc/a", ENOENT))[0]["other_name"] is None, "before"


SEARCH = [(0, "/one/lib.so", ENOENT), (1, "/two/lib.so", ENOENT), (2, "/three/lib.so", 3)]


def test_a_search_that_ends_well_is_one_row(opens: Opens) -> None:
    (row,) = opens(*SEARCH)
    told = {name: row[name] for name in ("path", "resolved_path", "count", "tried", "found", "retried")}
    assert told == {
        "path": "lib.so",
        "resolved_path": None,
        "count": 2,
        "tried": 2,
        "found": "/three/lib.so",
        "retried": False,
    }
    rows = opens(*SEARCH, searches=True)
    assert [(row["resolved_path"], row["found"], row["count"]) for row in rows] == [
        ("/one/lib.so", "/three/lib.so", 1),
        ("/two/lib.so", "/three/lib.so", 1),
    ]


def test_searches_of_several_processes_are_one_row(opens: Opens) -> None:
    (row,) = opens(*SEARCH, *((at + 10, path, ret, 7) for at, path, ret in SEARCH))
    assert (row["count"], row["processes"], row["tried"], row["found"]) == (4, 2, 2, "/three/lib.so")


@pytest.mark.grid
@pytest.mark.parametrize(
    "made",
    [
        pytest.param([*SEARCH[:2], (2, "/three/lib.so", ENOENT)], id="found nowhere"),
        pytest.param([*SEARCH[:2], (2, "/three/lib.so", 3, 7)], id="found by another process"),
        pytest.param([*SEARCH[:2], (2, "/three/other.so", 3)], id="another name"),
        pytest.param([*SEARCH[:2], (2000, "/three/lib.so", 3)], id="much later"),
        pytest.param([*SEARCH[:2], (1.5, "/one/lib.so", ENOENT), SEARCH[2]], id="one place tried again"),
        pytest.param([(0, "/one/lib.so", ENOENT), (1, "/one/lib.so", 3)], id="the same file"),
    ],
)
def test_what_is_no_search(opens: Opens, made: list[tuple[Any, ...]]) -> None:
    rows = opens(*made)
    assert {row["path"] for row in rows} == {path for _, path, ret, *_ in made if ret == ENOENT}
    assert not any(row["found"] for row in rows)


def test_a_file_that_may_not_be_read_is_not_folded_away(opens: Opens) -> None:
    rows = opens((-1, "/zero/lib.so", EACCES), *SEARCH)
    assert [(row["errno"], row["path"], row["found"]) for row in rows] == [
        ("EACCES", "/zero/lib.so", None),
        ("ENOENT", "lib.so", "/three/lib.so"),
    ]


def test_a_filter_chooses_failures_and_not_what_came_later(opens: Opens) -> None:
    rows = opens((0, "/a", ENOENT), (1, "/a", ENOENT, 7), (2, "/a", 3, 7), pid=4242)
    assert [(row["count"], row["pid"], row["exists_later"]) for row in rows] == [(1, 4242, True)]
    rows = opens(*SEARCH, failed=True)
    assert [row["found"] for row in rows] == ["/three/lib.so"]


def test_the_text_at_80_columns(tmp_path: Path) -> None:
    builder = TraceBuilder()
    for at, path, ret in SEARCH:
        builder.call("openat", at, -100, 1, 0, ret=ret, path=path)
    target = builder.write(tmp_path / "t.bpfrec")
    lines = run_bpfrec("analyze", "-i", target, "report", "failed-opens", columns=80).stdout.splitlines()
    assert lines[-1].strip() == "lib.so (not in 2 folders, found: /three/lib.so)"
    assert max(map(len, lines)) <= 80


def test_from_where_files_were_tried(tmp_path: Path) -> None:
    from support.stack_traces import stacked

    target = stacked().write(tmp_path / "t.bpfrec")
    with bpfrec.open(target) as trace:
        rows = {row["pid"]: row for row in trace.report("failed-opens", stack=True, process=True).dicts()}
    assert rows[4242]["stack_id"] == 1
    assert rows[4242]["stack"].startswith("open+0x10 (libc.so.6)")
    assert rows[700]["stack_id"] == 3
    text = run_bpfrec("analyze", "-i", target, "report", "failed-opens", "-k").stdout
    assert "    > open+0x10 (libc.so.6)\n" in text

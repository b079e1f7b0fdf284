"""report stacks, stack_text(): call paths counted, named and, where they end early, said to."""

from __future__ import annotations

from collections import Counter

import duckdb
import pytest
from support.stack_traces import DEEP, DESCEND_SHOWN, HANDLER, LIBC, add_stack, function, stacked
from support.trace_builder import MS, TraceBuilder

import bpfrec
from bpfrec.analyze.engine.requirements import Requirements
from bpfrec.analyze.render.stack_blocks import stack_blocks
from bpfrec.formats import schema

OPENING = (
    "open [libc.so.6]",
    *[f"{DESCEND_SHOWN} [deep]"] * 3,
    "main [deep]",
    "_start [deep]",
)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    with bpfrec.open(stacked().write(tmp_path_factory.mktemp("stacks") / "t.bpfrec")) as opened:
        yield opened


def paths(result) -> dict[tuple, dict]:
    return {(row["syscall"], *row["frames"]): row for row in result.dicts()}


def test_a_path_is_the_same_in_every_process(trace):
    row = paths(trace.report("stacks"))["openat", *OPENING]
    assert (row["calls"], row["failures"], row["total_ns"], row["status"]) == (50, 40, 60_000, None)


def test_calls_with_a_stack_are_all_counted_and_those_without_one_are_told(trace):
    result = trace.report("stacks", top=0)
    rows = stacked().rows["syscalls"]
    assert sum(row["calls"] for row in result.dicts()) == sum("stack_id" in row for row in rows) == 63
    assert sum(row["share"] for row in result.dicts()) == pytest.approx(100)
    assert result.notes == [
        "no stack was recorded with 5 of 68 calls, which are not counted: capped 3, none was asked for 2",
        "to have these stacks too: record --stack-on failed,paths,read",
    ]


def test_stacks_that_end_early_say_why(trace):
    found = {row["status"]: row["frames"] for row in trace.report("stacks", top=0).dicts() if row["status"]}
    assert found == {"stack-truncated": ["open [libc.so.6]", "stripped+0x1234"], "error-14": []}


def test_code_without_a_name_is_where_it_is(trace):
    (row,) = trace.report("stacks", pid=700).dicts()
    assert row["frames"] == ["open [libc.so.6]", HANDLER, "[anon]", "Builtins_JSEntry [node]", "_start [node]"]


def test_by_time_and_by_failures(trace):
    by_time = trace.report("stacks", by="time")
    assert [row["total_ns"] for row in by_time.dicts()] == [500_000, 60_000, 12_000, 2_000, 1_000, 0]
    assert "calls with a stack that did not return, whose time is not known: 1" in by_time.notes
    failed = trace.report("stacks", by="failures")
    assert [(row["failures"], round(row["share"], 2)) for row in failed.dicts()] == [(40, 88.89), (5, 11.11)]
    assert failed.notes == ["no stack was recorded with 3 of 48 failed calls, which are not counted: capped 3"]
    with pytest.raises(bpfrec.BpfrecError, match="size"):
        trace.report("stacks", by="size")


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"pid": 99}, 10),
        ({"tid": 700}, 5),
        ({"uid": 0}, 10),
        ({"name": "serv"}, 48),
        ({"syscall": "write"}, 4),
        ({"failed": True}, 45),
        ({"pid": 1}, 0),
    ],
)
def test_filters(trace, options, calls):
    assert sum(row["calls"] for row in trace.report("stacks", **options).dicts()) == calls


def test_lines_tell_calls_from_one_function_apart(trace):
    whole = trace.report("stacks", syscall="write").dicts()
    assert [(row["calls"], row["frames"][1]) for row in whole] == [(4, "log [deep]")]
    lines = trace.report("stacks", syscall="write", lines=True).dicts()
    assert [(row["calls"], row["frames"][1]) for row in lines] == [
        (2, "log /src/log.c:7 [deep]"),
        (2, "log /src/log.c:9 [deep]"),
    ]
    assert trace.report("stacks", pid=700, lines=True).dicts()[0]["frames"][1] == HANDLER, "it has its line already"


def test_blocks_fit_their_width_and_fold_nothing_away():
    row = {
        "syscall": "openat",
        "calls": 3,
        "failures": 0,
        "total_ns": 1_500,
        "share": 37.5,
        "status": "loop",
        "frames": ["a" * 100 + " b", *["again"] * 2000, "root\x1b[31m"],
    }
    lines = list(stack_blocks([row], "calls", 40))
    assert max(map(len, lines)) <= 40
    assert "".join(lines[:3]).replace(" ", "") == "a" * 100 + "b"
    assert lines[3:] == ["  again  x 2000", "  root\\x1b[31m", "  ... loop", "    3  37.5%  openat", ""]
    assert list(stack_blocks([row], "time", None))[-2] == "    0.002 ms  37.5%  openat, 3 calls"


def test_stack_text_has_a_frame_on_each_line(trace):
    texts = dict(trace.query("SELECT stack_id, stack_text(stack_id) FROM stacks WHERE stack_id < 9").rows)
    assert texts[1].split("\n") == [
        "open+0x10 (libc.so.6)",
        *(f"{DESCEND_SHOWN}+0x{offset:x} (deep)" for offset in (17, 18, 19)),
        "main+0x14 (deep)",
        "_start+0x15 (deep)",
    ]
    assert texts[3].split("\n")[1:3] == [HANDLER, "0x7f0000003002 ([anon])"]
    assert texts[4].split("\n")[1] == "stripped+0x1234"
    assert texts[5] is None
    assert texts[6].split("\n")[1] == "log /src/log.c:7"
    assert texts[8] == "do_filp_open+0x10 ([kernel])\ndo_syscall_64+0x11 ([kernel])"


def test_stack_text_serves_wherever_a_value_may_stand(trace):
    rows = stacked().rows["syscalls"]
    by_id = Counter(row["stack_id"] for row in rows if "stack_id" in row)
    counted = trace.query("SELECT STACK_TEXT(stack_id) AS path, count(*) AS n FROM syscalls GROUP BY ALL").rows
    assert sorted(n for _, n in counted) == sorted(
        [by_id[1] + by_id[2], *[by_id[i] for i in (3, 4, 6, 7)], 5 + by_id[5]]
    )
    assert trace.query("SELECT count(*) FROM sys.openat WHERE stack_text(stack_id) LIKE '%handler%'").rows == [(5,)]
    assert trace.query("SELECT stack_text(NULL), stack_text(12345)").rows == [(None, None)]
    trace.execute("CREATE OR REPLACE TEMP VIEW mine AS SELECT stack_text(stack_id) AS path FROM syscalls")
    assert trace.query("SELECT count(path) FROM mine").rows == [(62,)]


def test_stack_text_costs_nothing_where_it_is_not_named(tmp_path):
    with bpfrec.open(stacked().write(tmp_path / "t.bpfrec")) as opened:
        opened.query("SELECT count(*) FROM syscalls")
        assert list(opened._reader._tables) == ["syscalls"]
        assert not Requirements(opened.report("stacks", lazy=True).sql, duckdb.connect()).everything_of("syscalls")


def test_a_name_cannot_look_like_two_frames(tmp_path):
    builder = TraceBuilder()
    add_stack(builder, 1, [function("evil\nmain+0x1 (libc.so.6)", LIBC), function("main", DEEP)])
    builder.call("close", 0, 3, stack_id=1)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as opened:
        ((text,),) = opened.query("SELECT stack_text(stack_id) FROM syscalls").rows
    assert text.split("\n") == ["evil\\x0amain+0x1 (libc.so.6)+0x10 (libc.so.6)", "main+0x11 (deep)"]


def test_trace_prints_frames_as_bcc_does(trace):
    stack = trace.report("trace", probes=["openat"], user_stack=True, pid=700).dicts()[0]["stack"]
    assert stack == [
        "open+0x10 [libc.so.6]",
        f"{HANDLER}+0x11 [perf-700.map]",
        # Memory without a file is no module to bcc.
        "[unknown]",
        "Builtins_JSEntry+0x13 [node]",
        "_start+0x14 [node]",
    ]


def test_stackcount_limits_the_rows_of_each_interval(tmp_path):
    builder = TraceBuilder()
    for second in (0, 1):
        for stack in range(3):
            # The higher its number, the more often it is seen.
            for time in range(stack + 1):
                at = second * 1000 * MS + (stack * 10 + time) * MS
                builder.call("read", at, 3, 0, 1, ret=0, stack_id=stack)
    for stack in range(3):
        builder.add(schema.FRAMES, stack_id=stack, depth=0, ip=stack, symbol=f"f{stack}", symbol_offset=0)
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec")) as trace:
        rows = trace.report("stackcount", interval_s=1.0, top=2).dicts()
    found = [(row["interval"], row["count"], row["frames"]) for row in rows]
    assert found == [(1, 2, ["f1"]), (1, 3, ["f2"]), (2, 2, ["f1"]), (2, 3, ["f2"])]

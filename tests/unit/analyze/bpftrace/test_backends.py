"""Aggregations as SQL and event by event: the same answers, and the same refusals to be SQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bpftrace_scripts import checked, run_on
from support.trace_builder import MS, TraceBuilder

from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.analyze.bpftrace.sql_backend import compile_sql
from bpfrec.analyze.bpftrace.sql_expressions import NotSql

EDGES = (0, 1, 2, 7, 8, 255, 4096, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 100)
RESULTS = (0, 1, 5, 4096, -1, -2, -11, 2**31, 2**63 - 1, -(2**63), -4096)
NAMES = ("server", "sh", "a, b", "ünï")
PATHS = ("/etc/hosts", "/x" * 40, "", "/ü", "/a\\xff")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few hundred calls whose arguments and results are at the edges of types."""
    built = TraceBuilder()
    for number in range(300):
        size, result = EDGES[number % len(EDGES)], RESULTS[number % len(RESULTS)]
        who = {"comm": NAMES[number % len(NAMES)], "pid": 100 + number % 3, "uid": (0, 1000, -2)[number % 3]}
        name = ("read", "write", "openat", "lseek")[number % 4]
        path = PATHS[number % len(PATHS)]
        extra = {"path": path, "path_status": "not-utf8" if "\\x" in path else None} if name == "openat" else {}
        built.call(
            name, number * MS, 3 + number % 2, size, size ^ 5, number % 7, ret=result, took=number * 37, **who, **extra
        )
    built.call("read", 400 * MS, 3, 5, 6, ret=None, unfinished="recording-stopped")
    return built.write(tmp_path_factory.mktemp("backends") / "trace.bpfrec")


NUMBERS = [
    "args.fd",
    "args.count",
    "pid",
    "tid",
    "uid",
    "nsecs",
    "elapsed",
    "5",
    "0",
    "-1",
    "$v",
    "4294967296",
]


def _expressions(atoms: list[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(atoms),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "&", "|", "^"]), inner).map(
                lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
            ),
            st.tuples(inner, st.sampled_from(["<<", ">>"]), st.integers(0, 40)).map(
                lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
            ),
            st.tuples(
                st.sampled_from(["(uint8)", "(int8)", "(uint32)", "(int32)", "(int64)", "(uint64)", "-", "~"]), inner
            ).map(lambda parts: f"{parts[0]}({parts[1]})"),
            st.tuples(inner, st.sampled_from(["==", "!=", "<", ">=", "&&", "||"]), inner, inner, inner).map(
                lambda parts: f"({parts[0]} {parts[1]} {parts[2]} ? {parts[3]} : {parts[4]})"
            ),
        ),
        max_leaves=6,
    )


ENTRY = _expressions(NUMBERS)
BEFORE = _expressions([name for name in NUMBERS if name != "$v"])
EXIT = _expressions(["args.ret", "pid", "uid", "7", "-3", "elapsed"])
TESTS = ['comm == "sh"', 'comm != "server"', 'strncmp(comm, "se", 2) == 0', "uid != 0", "pid == 101"]
AGGREGATES = ["count()", "sum({})", "min({})", "max({})", "avg({})", "stats({})", "hist({})", "lhist({}, 0, 100, 10)"]


@st.composite
def scripts(draw: st.DrawFn) -> str:
    entry, leave = draw(ENTRY), draw(EXIT)
    conditions = draw(st.lists(st.one_of(st.sampled_from(TESTS), BEFORE), max_size=2))
    keys = ", ".join(draw(st.lists(st.one_of(st.sampled_from(["comm", "probe", "pid"]), ENTRY), max_size=2)))
    actions = [draw(st.sampled_from(AGGREGATES)).format(entry), draw(st.sampled_from(AGGREGATES)).format(leave)]
    predicate = f"/{' && '.join(conditions)}/" if conditions else ""
    indexed = f"[{keys}]" if keys else ""
    return (
        f"t:syscalls:sys_enter_read, t:syscalls:sys_enter_write {predicate} {{"
        f" $v = (uint64)args.count + {draw(st.integers(0, 9))};"
        f" @entry{indexed} = {actions[0]}; if ({draw(ENTRY)}) {{ @steps++; }} else {{ @other += {entry}; }} }}\n"
        f"t:syscalls:sys_exit_* {{ @exit[probe, {leave}] = {actions[1]}; }}\n"
        "t:syscalls:sys_enter_openat { @path[str(args.filename)] = count(); }\n"
        'END { printf("%d\\n", @steps); }'
    )


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scripts(), st.sampled_from(["0.17", "latest"]))
def test_both_back_ends_give_the_same_answers(trace: Path, script: str, like: str):
    _check_is_sql(script, like)
    assert run_on(trace, script, like=like) == run_on(trace, script, like=like, sql=False), script


def _check_is_sql(script: str, like: str) -> None:
    """Only what SQL cannot say of large numbers may be left to the other back end."""
    try:
        compile_sql(checked(script, like=like))
    except NotSql as error:
        if "128 bits" not in error.why:
            raise


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("t:syscalls:sys_enter_read { @ts[tid] = nsecs; }", "the last event counts"),
        ("t:syscalls:sys_enter_read /@n < 5/ { @n++; }", "not known before the event"),
        ('t:syscalls:sys_enter_read { printf("x"); }', "event by event"),
        ("t:syscalls:sys_enter_read { @n++; if (@n > 5) { exit(); } }", "read while it is counted"),
        ("t:syscalls:sys_enter_read { @n++; } interval:ms:1 { print(@n); }", "in the midst of the events"),
        ("t:syscalls:sys_enter_nanosleep { @[args.rqtp->tv_sec] = count(); }", "memory behind pointers"),
        ("t:syscalls:sys_enter_read { $x = 1; $x = 2; @[$x] = count(); }", "more than once"),
        ("t:syscalls:sys_enter_read, t:syscalls:sys_enter_r* { @ = count(); }", "named twice"),
        ("BEGIN { exit(); } t:syscalls:sys_enter_read { @ = count(); }", "before the first event"),
        ("BEGIN { @ = count(); }", "no map is assigned"),
    ],
)
def test_what_keeps_state_is_no_sql(script: str, why: str):
    with pytest.raises(NotSql, match=why):
        compile_sql(checked(script, held=Holdings(stop_ns=10**9)))


def test_counts_begun_before_the_events_go_on(trace: Path):
    script = "BEGIN { @n = 1000; } t:syscalls:sys_enter_read { @n++; } END { @n += 5; }"
    assert run_on(trace, script) == run_on(trace, script, sql=False) == "\n\n@n: 1081\n"

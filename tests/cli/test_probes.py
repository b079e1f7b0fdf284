"""argdist and trace as programs see them: JSON, CSV, --sql, refusals."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.probe_traces import nodey
from support.program import run_bpfrec

import bpfrec
from bpfrec.formats.errors import BpfrecError

IS_CONF = 'f == "/etc/nodey.conf"'


@pytest.fixture(scope="module")
def nodey_trace(tmp_path_factory):
    return nodey().write(tmp_path_factory.mktemp("nodey") / "nodey.bpfrec")


def run(trace, *arguments):
    return run_bpfrec("analyze", "-i", trace, "report", *arguments)


def counts(trace, *arguments):
    done = run(trace, "argdist", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {row["event"]: row["count"] for row in json.loads(done.stdout)}


@pytest.mark.grid
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("p::open():u32:$PID", {"$PID = 700": 5}),
        ("p::openat():char*:$COMM", {"$COMM = node": 2}),
        ("r::open():int:$retval", {"$retval = -13": 1, "$retval = -2": 1, "$retval = 5": 1, "$retval = 6": 1}),
        ("r:c:open():int:$retval:$retval < 0", {"$retval = -1": 1}),
        ("p::open(char *f, int flags):int:flags", {"flags = 64": 1, "flags = 2": 1, "flags = 577": 1, "flags = 0": 1}),
        (
            "p::open(char *f, int flags):char*:f:flags & O_CREAT",
            {"f = /etc/nodey.conf": 1, "f = /etc/nodey.conf.new": 1},
        ),
        (f"p::open(char *f):int:{IS_CONF} ? 4 : 5", {f"{IS_CONF} ? 4 : 5 = 4": 4, f"{IS_CONF} ? 4 : 5 = 5": 1}),
        # bcc compares as many characters as the constant has.
        ('p::open(char *f):int:1:STRCMP("/etc/nodey.conf.", f)', {"1 = 1": 1}),
        ('p::open(char *f):int:1:STRCMP("/etc/nodey.conf", f)', {"1 = 1": 5}),
        ("t:syscalls:sys_enter_openat():int:args->dfd", {"args->dfd = -100": 2}),
        ("t:syscalls:sys_exit_openat():long:args->ret", {"args->ret = -2": 1}),
        ("t:syscalls:sys_exit_open():long:args->ret", {"args->ret = 5": 1}),
        ("t:raw_syscalls:sys_enter():long:args->id:args->id == 1", {"args->id = 1": 2}),
        ("p::do_sys_open(int dfd, char *f):int:dfd", {"dfd = -100": 4}),
        ("p:c:write(int fd, void *b, size_t n):int,size_t:fd,n", {"fd = 1, n = 8589934592": 1, "fd = 2, n = 5": 1}),
        ("p:c:write(int fd, void *b, u32 n):u32:n", {"n = 0": 1, "n = 5": 1}),
        ("r:c:write(int fd, void *b, size_t n):u64:$latency/$entry(n)#l", {"$latency/n = 0": 1, "$latency/n = 100": 1}),
        ("r:c:write():u64:$latency > 1000000", {"$latency > 1000000 = 1": 1, "$latency > 1000000 = 0": 1}),
        ("p::rmdir(char *p):char*:p", {"p = /tmp/folder": 1}),
        ("p::unlink(char *p):char*:p", {"p = /tmp/file": 1}),
        ("p::rename(char *a, char *b):char*,char*:a,b", {"a = /a, b = /b": 1, "a = /a, b = /c": 1}),
        (
            "p:c:nanosleep(struct timespec *t):u64:t->tv_sec * 1000 + (*t).tv_nsec",
            {"t->tv_sec * 1000 + (*t).tv_nsec = 1700": 1, "t->tv_sec * 1000 + (*t).tv_nsec = 1003": 1},
        ),
        ("p:c:nanosleep()", {"total calls": 2}),
        ("p:c:clock_nanosleep()", {"total calls": 1}),
    ],
)  # fmt: skip
def test_counts(nodey_trace, spec, expected):
    assert counts(nodey_trace, "-C", spec) == expected


def test_strings_are_cut_and_the_top_is_kept(nodey_trace):
    spec = "p::open(char *f):char*:f"
    assert counts(nodey_trace, "-C", spec, "-z", "5") == {"f = /etc/": 5}
    assert counts(nodey_trace, "-C", spec, "-T", "1") == {"f = /etc/nodey.conf": 4}
    assert counts(nodey_trace, "-C", spec, "-p", "1") == {}
    assert counts(nodey_trace, "-C", spec, "-t", "700", "-d", "0.0045") == {"f = /etc/nodey.conf": 2}


def test_json_and_csv_have_one_union_of_columns(nodey_trace):
    arguments = ["argdist", "-C", "p:c:write()", "-H", "p:c:write(int f, void *b, size_t n):u64:n#bytes"]
    rows = json.loads(run(nodey_trace, *arguments, "--format", "json").stdout)
    assert list(rows[0]) == ["probe", "interval", "spec", "event", "key", "low", "high", "count"]
    assert [(r["event"], r["key"], r["low"], r["high"], r["count"]) for r in rows] == [
        ("total calls", None, None, None, 2),
        (None, "bytes", 4, 7, 1),
        (None, "bytes", 2**33, 2**34 - 1, 1),
    ]
    assert rows[0]["spec"] == "p:c:write()"
    table = list(csv.DictReader(io.StringIO(run(nodey_trace, *arguments, "--format", "csv").stdout)))
    assert [row["count"] for row in table] == ["2", "1", "1"]


def test_a_negative_value_falls_into_the_last_slot(nodey_trace):
    done = run(nodey_trace, "argdist", "-H", "r:c:openat()", "--format", "json")
    (row,) = json.loads(done.stdout)
    assert (row["low"], row["high"], row["count"]) == (2**63, 2**64 - 1, 1)


def test_trace_rows(nodey_trace):
    done = run(nodey_trace, "trace", 'openat2 "%s", arg2', "open", "-U", "--format", "json")
    rows = json.loads(done.stdout)
    assert list(rows[0]) == ["ts", "pid", "tid", "comm", "func", "message", "stack"]
    assert [(r["func"], r["message"]) for r in rows].count(("openat2", "/etc/nodey.conf")) == 1
    assert rows[0]["stack"][0] == "open64+0x58 [libc.so.6]"
    assert rows[0]["ts"] == "2026-08-01T10:00:00.001000000Z"
    assert rows[-1]["stack"] is None


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["-M", "2"], 2),
        (["-f", ".new"], 1),
        (["-f", ".new", "-M", "1"], 1),
        (["--uid", "33"], 5),
        (["--uid", "34"], 0),
        (["-L", "700"], 5),
        (["-L", "1"], 0),
        (["-n", "od"], 5),
        (["-n", "oD"], 0),
    ],
)
def test_trace_filters(nodey_trace, arguments, found):
    done = run(nodey_trace, "trace", 'open "%s", arg1', *arguments, "--format", "json")
    assert len(json.loads(done.stdout)) == found


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ('"%d", arg1', "1"),
        ('"%ld", arg1', "4294967297"),
        ('"%x %X %#x %o", arg2, arg2, arg2, arg2', "40 40 0x40 100"),
        ('"%llu", arg3', "8589934592"),
        ('"%5d|%-5d|%05d|%+d", arg1, arg1, arg1, arg1', "    1|1    |00001|+1"),
        ('"%p", arg2', "0x40"),
        ('"%c", 65', "A"),
        ('"%s", "lit"', "lit"),
        ('"100%% %hd", 65537', "100% 1"),
        ('"%d", -1', "-1"),
        ('"%u %lx", -1, -1', "4294967295 ffffffffffffffff"),
        ('"%d", $pid == $tgid', "1"),
        ('"{} it\'s \\n"', "{} it's \\n"),
    ],
)
def test_messages(nodey_trace, format_, message):
    done = run(nodey_trace, "trace", f"c:write (arg3 > 5) {format_}", "--format", "json")
    assert [row["message"] for row in json.loads(done.stdout)] == [message], done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["argdist", "-C", "p:c:open(char *f):char*:f", "-H", "r:c:write():u64:$latency", "-i", "1", "-c", "-T", "1"],
        ["argdist", "-H", "p::do_nanosleep(struct timespec *time):u64:time->tv_nsec"],
        ["trace", 'open (STRCMP("/etc/nodey.conf", arg1)) "%s", arg1', "-U", "-a", "-t", "-C"],
        ["trace", 'r:c:open "it\'s %d", retval', "-A", "-M", "3", "-U"],
    ],
)
def test_the_printed_query_gives_the_same_rows(nodey_trace, arguments):
    sql = run(nodey_trace, *arguments, "--sql").stdout
    again = run_bpfrec("analyze", "-i", nodey_trace, "sql", sql, "--format", "json")
    assert again.returncode == 0, again.stderr
    rows = json.loads(run(nodey_trace, *arguments, "--format", "json").stdout)
    assert rows
    assert json.loads(again.stdout) == rows


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["argdist"], 2, "at least one specifier"),
        (["argdist", "-C", "p:c:malloc(size_t n):size_t:n"], 1, "It leads to: brk, mmap"),
        (["argdist", "-C", "p::tcp_connect()"], 1, "not for library or kernel functions"),
        (["argdist", "-C", "p:c:do_nothing()"], 1, "do_nothing is no system call"),
        (["argdist", "-C", "p:c:opne()"], 1, "Close to it: open"),
        (["argdist", "-C", "u:node:gc__start()"], 1, "USDT"),
        (["argdist", "-C", "p:c:write(int f, char *b):char*:b"], 1, "Probes read paths"),
        (["argdist", "-C", "nonsense"], 1, "error parsing probe"),
        (["argdist", "-C", "p:c:open()", "-c"], 2, "-c needs -i"),
        (["argdist", "-C", "p:c:open()", "-T", "0"], 2, "Invalid value"),
        (["trace"], 2, "Missing argument"),
        (["trace", "open", "-A"], 2, "-A needs -M"),
        (["trace", "open", "-a"], 2, "needs -U"),
        (["trace", 'open "%K", arg1'], 1, "symbol table"),
        (["trace", "open (arg1"], 1, "a bracket is not closed"),
        (["trace", "p:m:sin"], 1, "sin of m is no system call"),
    ],
)
def test_refusals(nodey_trace, arguments, code, said):
    done = run(nodey_trace, *arguments)
    assert done.returncode == code
    assert said.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_call_that_is_not_there_gives_an_empty_answer(nodey_trace, tmp_path):
    done = run(nodey_trace, "argdist", "-C", "p:c:socket()")
    assert done.returncode == 0
    assert done.stdout.endswith("p:c:socket()\n\tCOUNT      EVENT\n")
    assert "the trace holds no call of socket" in done.stderr
    assert "stat stands" not in done.stderr
    done = run(nodey_trace, "trace", "mkdirat", "-p", "1")
    assert "the trace holds no call of mkdirat" in done.stderr
    done = run(nodey_trace, "trace", "openat", "-p", "1")
    assert "no call of openat by those asked for; the trace holds 2 by others" in done.stderr
    builder = nodey()
    manifest = builder.manifest()
    manifest.configuration["events"] = ["openat", "%network"]
    trace = builder.write(tmp_path / "some.bpfrec", manifest)
    assert "it was recorded, so none was made" in run(trace, "argdist", "-C", "p:c:socket()").stderr
    assert "not recorded, only openat, %network" in run(trace, "argdist", "-C", "p:c:mmap()").stderr
    said = run(trace, "argdist", "-C", "p:c:renameat2()").stderr
    assert "it holds rename, renameat, which the probe rename matches too" in said


def test_hostile_strings_do_not_reach_the_terminal(hostile_trace):
    for arguments in (
        ["argdist", "-C", "p:c:open(char *f):char*:f"],
        ["trace", 'open "%s", arg1', "-U"],
        ["argdist", "-C", "p:c:open()#\x1b[31mred"],
    ):
        done = run(hostile_trace, *arguments)
        assert done.returncode == 0, done.stderr
        assert not set(done.stdout + done.stderr) & set("\x1b\x07\x9b\u202e\r")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["p:c:open(char *f, int g):{}:{}", "r:c:write(int f, void *g):{}:{}"]),
    st.sampled_from(["u64", "int", "char*", "u8", "long"]),
    st.lists(
        st.sampled_from(
            ["f", "g", "$retval", "$latency", "+", "-", "*", "/", "(", ")", "==", '"x"', "1", "?", ":", "&&", "arg3"]
        )
    ).map(" ".join),
)
def test_any_specifier_is_answered_or_refused(nodey_trace, form, type_, expression):
    with bpfrec.open(nodey_trace) as trace:
        try:
            trace.report("argdist", counts=[form.format(type_, expression)])
        except BpfrecError as error:
            refused = error.message
        else:
            refused = ""
    # The query itself never fails: what is wrong is refused before there is one.
    assert not re.search("Binder|Conversion|Range|Parser|Invalid", refused)

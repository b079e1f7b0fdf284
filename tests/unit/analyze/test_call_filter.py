"""The filter that all reports share: what it chooses, what its times mean, and that every report obeys it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from support import trace_builder
from support.program import run_bpfrec

import bpfrec
from bpfrec.analyze.commands.report import report_command
from bpfrec.analyze.reports import REPORTS, find
from bpfrec.analyze.reports.call_filter import FILTERS, CallFilter
from bpfrec.analyze.reports.moments import moment_ns
from bpfrec.formats.errors import BpfrecError, ReportError

START, MS = trace_builder.START_NS, trace_builder.MS
MANIFEST = trace_builder.lab1().manifest()
PROBES = {"argdist": {"counts": ["p:c:openat()"]}, "trace": {"probes": ["openat"]}, "stackcount": {"pattern": "open*"}}
"""What a report needs besides a filter."""
NO_CALLS = ("syscall", "failed", "since", "until")
LACKING = {
    "processes": ("failed",),
    "exitsnoop": ("failed",),
    "lsof": NO_CALLS,
    "netstat": NO_CALLS,
    "pidstat": ("syscall", "failed", "path"),
}
"""Filters that have no meaning where rows are no calls."""


@pytest.fixture(scope="module")
def lab1(lab1_trace):
    with bpfrec.open(lab1_trace) as trace:
        yield trace


def counted(trace, **options) -> int:
    return sum(count for _, count in trace.report("syscount", top=0, **options).rows)


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, 60),
        ({"pid": 99}, 3),
        ({"pid": [99, 4242]}, 60),
        ({"pid": []}, 60),
        ({"tid": (99, 1)}, 3),
        ({"uid": 0}, 3),
        ({"uid": [0, 1000]}, 60),
        ({"name": "c"}, 2),
        ({"syscall": ["write", "kill"]}, 4),
        ({"failed": True}, 27),
        ({"since": 0.95}, 9),
        ({"until": 0.001}, 2),
        ({"since": "10:00:00.950", "until": "10:00:00.960"}, 2),
        ({"since": "2026-08-01T10:00:00.950Z", "until": "2026-08-01T12:00:00.960+02:00"}, 2),
        ({"since": 3}, 0),
        ({"pid": 99, "syscall": "open", "until": 1}, 1),
    ],
)
def test_conditions_add_up_and_values_of_one_are_alternatives(lab1, options, calls):
    assert counted(lab1, **options) == calls


def test_until_is_outside_and_since_is_inside(lab1):
    assert counted(lab1, until=0.001, pid=99) == 0
    assert counted(lab1, since=0.001, until=0.002, pid=99) == 1


@pytest.mark.parametrize(
    ("moment", "offset_ns"),
    [
        (0, 0),
        ("1.5", 1_500 * MS),
        ("10:00:01", 1_000 * MS),
        ("10:00", 0),
        ("2026-08-01T10:00:00.250", 250 * MS),
        ("09:59:59", 86_399_000 * MS),
        ("-1", -1_000 * MS),
    ],
)
def test_moments(lab1, moment, offset_ns):
    assert moment_ns(moment, lab1) - START == offset_ns


@pytest.mark.parametrize("moment", ["", "soon", "nan", "inf", "25:00:00", "2026-13-01T00:00:00", "10:00:00+99:00"])
def test_what_is_no_time_is_refused(lab1, moment):
    with pytest.raises(ReportError, match="is no time"):
        moment_ns(moment, lab1)


def test_a_call_is_a_moment_everywhere(lab1, lab1_trace, tmp_path):
    ((at,),) = lab1.query("SELECT ts_ns FROM syscalls WHERE event_id = 30").rows
    assert moment_ns("event:30", lab1) == moment_ns(" event:030 ", lab1) == at
    listed = [row["event_id"] for row in lab1.report("calls", around="event:30", context=1).dicts()]
    assert listed == [row["event_id"] for row in lab1.report("calls", around=30, context=1).dicts()]
    assert counted(lab1, since="event:30") == counted(lab1, since=(at - START) / 1e9)
    copy = tmp_path / "copy.bpfrec"
    done = run_bpfrec("share", lab1_trace, "-o", copy, "--only", "time=event:30..event:40")
    assert done.returncode == 0, done.stderr
    with bpfrec.open(copy) as shared:
        # Calls keep the numbers that they have in the whole trace.
        assert shared.query("SELECT min(event_id), max(event_id) FROM syscalls").rows == [(30, 39)]
        assert moment_ns("event:30", shared) == at
        assert [row["event_id"] for row in shared.report("calls", around="event:39", context=0).dicts()] == [39]
        for missing in ("event:3", "event:40"):
            with pytest.raises(BpfrecError, match=f"^the trace has no call with event_id {missing[6:]}$"):
                moment_ns(missing, shared)
            with pytest.raises(BpfrecError, match=f"^the trace has no call with event_id {missing[6:]}$"):
                counted(shared, since=missing)


@pytest.mark.grid
@pytest.mark.parametrize(
    ("report", "option"),
    [
        ("syscount", "-p"),
        ("syscount", "-u"),
        ("syscount", "-c"),
        ("syscount", "-e"),
        ("syscount", "-d"),
        ("killsnoop", "-s"),
        ("tcpconnect", "-P"),
        ("opensnoop", "-f"),
        ("waiting", "--least"),
        ("calls", "--around"),
        ("syscount", "--from"),
    ],
)
@pytest.mark.parametrize("wrong", ["²", "9" * 5000, "9" * 400 + "s"])
def test_what_only_looks_like_a_number_is_refused(lab1_trace, report, option, wrong):
    done = CliRunner().invoke(report_command(report), ["--input", str(lab1_trace), option, wrong])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit | BpfrecError), done.exception


VALUES = {
    "pid": [1, 2],
    "tid": 3,
    "uid": 4,
    "name": "x'y",
    "syscall": "openat",
    "since": 0,
    "until": "1",
    "failed": True,
    "path": ["/etc/*", "passwd"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_every_report_takes_filters_without_the_others(lab1, name):
    filters = find(name).filter_names(FILTERS)
    for some in (filters[::2], filters[1::2]):
        answer = lab1.report(name, **PROBES.get(name, {}), **{option: VALUES[option] for option in some})
        assert answer.columns


@pytest.mark.grid
@pytest.mark.parametrize("name", REPORTS)
def test_every_report_takes_the_filters_it_offers(lab1, name):
    filters = find(name).filter_names(FILTERS)
    answer = lab1.report(name, **PROBES.get(name, {}), **{option: VALUES[option] for option in filters})
    assert answer.columns
    assert "pid" in filters
    assert filters == [option for option in FILTERS if option not in LACKING.get(name, ())]


@pytest.mark.parametrize("name", REPORTS)
def test_every_filter_of_a_report_is_on_its_command_line(name):
    params = {param.name: param for param in report_command(name).params}
    flags = [flag for param in params.values() for flag in param.opts if flag.startswith("-")]
    assert sorted(flags) == sorted(set(flags)), "a flag that means two things"
    for option in find(name).filter_names(FILTERS):
        assert params[option].multiple is (option in ("pid", "tid", "uid", "syscall", "path"))


def test_options_that_a_report_has_not_are_named(lab1):
    with pytest.raises(ReportError, match="syscount has no option topp") as raised:
        lab1.report("syscount", topp=3)
    assert "top" in (raised.value.hint or "")
    with pytest.raises(ReportError, match="processes has no option by"):
        lab1.report("processes", by="time")


def test_an_option_given_twice_means_both(lab1_trace):
    arguments = ("analyze", "-i", lab1_trace, "report", "syscount", "--format", "csv", "--syscall", "open")
    both = run_bpfrec(*arguments, "-p", "99", "-p", "4242", "--syscall", "kill").stdout
    assert both == "syscall,count\nkill,1\nopen,1\n"
    wrong = run_bpfrec(*arguments, "--from", "soon")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "'soon' is no time" in wrong.stderr


def test_the_sql_of_a_filter():
    calls = CallFilter.of(pid=[1, 2], uid=2**32 - 1, name="it's", failed=True)
    assert calls.where(MANIFEST, "s") == (
        "s.\"pid\" IN (1, 2) AND s.\"uid\" = -1 AND contains(s.comm, 'it''s') AND failed(s.ret)"
    )
    assert CallFilter().where(MANIFEST) == "TRUE"

"""The reports: ready-made questions.

To add a report called ``disk-use``:

1. ``reports/disk_use.py``: a function ``compute(trace, calls, *, ...)`` that returns a ``Result``, and ``REPORT``, a
   :class:`~bpfrec.analyze.reports.report.Report` that says what its help, its options and its text are. The filter
   ``calls`` and its options (``-p``, ``-t``, ``-u``, ``-n``, ``--syscall``, ``-x``, ``--path``, ``--from``,
   ``--to``) come by themselves, ``--format`` and ``--sql`` too.
2. ``reports/disk_use.sql``: its query, a comment above each column; ``render("disk_use", ...)`` fills it in.
3. A line in :data:`REPORTS`, which is the list that users see.
4. ``docs/reports/disk-use.md``, and a link to it in the README.

Nothing else names a report: command, Python API and the general tests (every row the same in JSON and CSV, losses
announced, hostile text escaped) find it by ``REPORTS``. A text that is more than a table has a renderer in
:mod:`bpfrec.analyze.render`. Tests of what it counts belong in ``tests/unit/analyze/``, its text in ``tests/golden/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bpfrec.formats.errors import ReportError

if TYPE_CHECKING:
    from bpfrec.analyze.engine.protocols import Queries
    from bpfrec.analyze.engine.result import Result
    from bpfrec.analyze.reports.report import Report

REPORTS: dict[str, str] = {
    "summary": "one page: the recording, its processes, what they called, what failed, what is missing",
    "calls": "every call in order of time, with its arguments in words, as strace lists them",
    "syscount": "count system calls, or their time, by call or by process, as bcc's syscount does",
    "opensnoop": "every open of a file, as bcc's opensnoop prints them",
    "failed-opens": "files that could not be opened: who tried, how often, whether they were there later",
    "failures": "failed calls by call, error and path, and whether the call succeeded later",
    "latency": "how long calls took: errors, percentiles, histograms, the slowest calls, each new maximum",
    "waiting": "where threads waited: time in long calls, by call and by file, peer, lock or process",
    "offcpu": "how long threads did not run, blocked or waiting for a CPU, by process, thread, call or stack",
    "pidstat": "time in user code, in the kernel and waiting for a CPU, each second, as pidstat -u prints it",
    "startup": "what the first seconds of a process went to, by kind and in phases",
    "locks": "who waited for whom: locks of files and futexes, chains of waits, deadlocks",
    "leaks": "descriptors that were opened and never closed, by process, call, name and stack",
    "files": "what was done with every file: opens, failures, bytes read and written, time",
    "network": "what was exchanged with every peer: connections, failures, bytes sent and received, time",
    "timeline": "what one thread did around a time or a call, what it waited for, and who ended the wait",
    "stream": "what was read and written, sent and received, of a trace recorded with --data",
    "processes": "the tree of processes: what each executed, when, how many calls it made and how it ended",
    "stacks": "count calls, their time or failures by call stack, as bcc's stackcount counts",
    "argdist": "count or histogram values of arguments and results, with the probes of bcc's argdist",
    "trace": "print single calls that meet a condition, with the probes of bcc's trace",
    "execsnoop": "programs that were executed, as bcc's execsnoop prints them",
    "exitsnoop": "processes that ended, their age and status, as bcc's exitsnoop prints them",
    "killsnoop": "signals that processes sent, as bcc's killsnoop prints them",
    "statsnoop": "files that programs looked at, as bcc's statsnoop prints them",
    "syncsnoop": "calls that bring data to disks, as bcc's syncsnoop prints them",
    "mountsnoop": "file systems that were mounted and unmounted, as bcc's mountsnoop prints them",
    "shmsnoop": "calls of System V shared memory, as bcc's shmsnoop prints them",
    "filelife": "files that were made and removed, and how long they lived, as bcc's filelife prints them",
    "fileslower": "reads and writes of files that took long, as bcc's fileslower prints them",
    "filetop": "files that were read and written most, as bcc's filetop prints them",
    "bindsnoop": "addresses that sockets were bound to, as bcc's bindsnoop prints them",
    "solisten": "sockets that began to listen, as bcc's solisten prints them",
    "tcpconnect": "connections over TCP that were begun, as bcc's tcpconnect prints them",
    "tcpaccept": "connections over TCP that were accepted, as bcc's tcpaccept prints them",
    "stackcount": "stacks by which functions were called, as bcc's stackcount counts them",
    "denied": "what users were not permitted: EPERM and EACCES by user, process and object",
    "lsof": "what processes had open at a time of the recording",
    "netstat": "the sockets that processes had at a time of the recording",
}
"""Every report by name, with its one line, in the order in which they are listed."""

_MODULES = {"trace": "trace_calls"}
"""Modules that are not called as their report, because a module of the standard library is."""


def find(name: str) -> Report:
    """The report of that name.

    Raises:
        ReportError: there is none.
    """
    if name not in REPORTS:
        near = get_close_matches(name, REPORTS, n=3)
        raise ReportError(
            f"no report is called {name}", f"{'Near it' if near else 'There are'}: {', '.join(near or REPORTS)}"
        )
    module = _MODULES.get(name, name.replace("-", "_"))
    report: Report = import_module(f"bpfrec.analyze.reports.{module}").REPORT
    return report


def compute(trace: Queries, name: str, options: Mapping[str, Any]) -> Result:
    """What the report ``name`` answers. ``options`` are those of its ``compute``, and those of ``CallFilter.of``.

    Raises:
        ReportError: there is no such report or option, or the trace cannot answer.
    """
    from bpfrec.analyze.reports.call_filter import FILTERS, CallFilter  # noqa: PLC0415

    report = find(name)
    own = report.option_names()
    filters = [name for name in report.filter_names(FILTERS) if name not in own]
    unknown = [option for option in options if option not in (*filters, *own)]
    if unknown:
        raise ReportError(f"report {name} has no option {', '.join(unknown)}", f"It has: {', '.join((*filters, *own))}")
    calls = CallFilter.of(**{option: value for option, value in options.items() if option in filters})
    result: Result = report.compute(trace, calls, **{o: v for o, v in options.items() if o in own})
    return result

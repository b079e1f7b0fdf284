"""The reports: one module each, whose ``compute(trace, **options)`` gives a ``Result``.

Its SQL is in the ``.sql`` file of the same name, its command in :mod:`bpfrec.analyze.commands`.
"""

from __future__ import annotations

from difflib import get_close_matches

from bpfrec.formats.errors import ReportError

REPORTS: dict[str, str] = {
    "summary": "one page: the recording, its processes, what they called, what failed, what is missing",
    "syscount": "count system calls, or their time, by call or by process, as bcc's syscount does",
    "opensnoop": "every open of a file, as bcc's opensnoop prints them",
    "failed-opens": "files that could not be opened: who tried, how often, from when to when",
    "failures": "failed calls by call, error and path, and whether the call succeeded later",
    "latency": "how long calls took: least, median, 95th and 99th percentile, most, total",
    "files": "what was done with every file: opens, failures, bytes read and written, time",
    "network": "what was exchanged with every peer: connections, failures, bytes sent and received, time",
    "processes": "the tree of processes: what each executed, when, how many calls it made and how it ended",
    "stacks": "count calls, their time or failures by call path, as bcc's stackcount counts",
    "argdist": "count or histogram values of arguments and results, with the probes of bcc's argdist",
    "trace": "print single calls that meet a condition, with the probes of bcc's trace",
}
"""Every report by name, with its one line."""


def module_of(name: str, package: str = "reports") -> str:
    """The module of a report in ``bpfrec.analyze.PACKAGE``.

    Raises:
        ReportError: there is no report of that name.
    """
    if name not in REPORTS:
        near = get_close_matches(name, REPORTS, n=3)
        raise ReportError(
            f"no report is called {name}", f"{'Near it' if near else 'There are'}: {', '.join(near or REPORTS)}"
        )
    return f"bpfrec.analyze.{package}.{name.replace('-', '_')}"

"""The text of bcc's tools, to the byte, so that what reads theirs reads ours.

Widths and rules are those of bcc's current tools. The pages of the reports say where those of bcc 0.26 (Debian 12)
differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bpfrec.analyze.render.escape import printable

_UNKNOWN = re.compile(r"unknown_(-?\d+)")


def syscount_table(
    rows: Iterable[Mapping[str, Any]], clock: str, by_process: bool, latency: bool, milliseconds: bool
) -> Iterator[str]:
    """The table of syscount: ``clock`` (HH:MM:SS), header, rows with syscall or pid and comm, count, total_ns."""
    time_header, per_unit, decimals = ("TIME (ms)", 1e6, 6) if milliseconds else ("TIME (us)", 1e3, 3)
    yield f"[{clock}]"
    yield f"{'PID    COMM' if by_process else 'SYSCALL':<22} {'COUNT':>8}" + (f" {time_header:>16}" if latency else "")
    for row in rows:
        if by_process:
            key = f"{shown(row['pid']):<6} {shown(row['comm']):<15}"
        else:
            key = _UNKNOWN.sub(r"[unknown: \1]", shown(row["syscall"]))
        line = f"{key:<22} {row['count']:>8}"
        yield line + (f" {(row['total_ns'] or 0) / per_unit:>16.{decimals}f}" if latency else "")
    yield ""


def name_columns(names: Iterable[str]) -> Iterator[str]:
    """Names, sorted, four in a line, as ``syscount -l`` lists them."""
    ordered = sorted(names)
    for place in range(0, len(ordered), 4):
        yield "   ".join(f"{name:<22}" for name in ordered[place : place + 4])


def opensnoop_header(timestamp: bool, uid: bool, by_tid: bool, extended: bool) -> str:
    """The first line of opensnoop."""
    header = f"{'TIME(s)':<14}" if timestamp else ""
    header += f"{'UID':<6}" if uid else ""
    header += f"{'TID' if by_tid else 'PID':<6} {'COMM':<16} {'FD':>4} {'ERR':>3} "
    return header + (f"{'FLAGS':<8} {'MODE':<4} " if extended else "") + "PATH"


def opensnoop_line(timestamp: bool, uid: bool, by_tid: bool, extended: bool, path: str = "path") -> str:
    """The SQL expression of a line of opensnoop, from its columns: there may be millions, and DuckDB makes them faster.

    ``path`` is the SQL of the path. It stands whole, however long; one that could not be read is its status in angle
    brackets.
    """
    fields = [
        ("{:<14.9f}", "time_s", timestamp),
        ("{:<6}", "uid", uid),
        ("{:<6} ", "tid" if by_tid else "pid", True),
        ("{:<16} ", "coalesce(comm, '[unknown]')", True),
        ("{:>4} ", "greatest(ret, -1)", True),
        ("{:>3} ", "greatest(-ret, 0)", True),
        ("{:<8} ", "coalesce(format('{:08o}', flags), 'n/a')", extended),
        ("{:<4} ", "coalesce(format('{:04o}', mode), 'n/a')", extended),
        ("{}", path_sql(path), True),
    ]
    wanted_fields = [(form, value) for form, value, wanted in fields if wanted]
    line = f"format('{''.join(form for form, _ in wanted_fields)}', {', '.join(value for _, value in wanted_fields)})"
    # A damaged trace has NULL where none can be, and NULL is what format() makes of it.
    pieces = ", ".join(f"coalesce(format('{form}', {value}), '- ')" for form, value in wanted_fields)
    return f"coalesce({line}, concat({pieces}))"


def path_sql(path: str) -> str:
    """What :func:`path_text` says, as SQL, but that it is still to be made printable; ``path``: the SQL of the path."""
    return (
        f"coalesce({path}, '<' || coalesce(path_status, 'no path') || '>')"
        " || CASE WHEN path_status = 'truncated' THEN ' <truncated>' ELSE '' END"
    )


def path_text(path: str | None, status: str | None) -> str:
    """A path made safe to print, with what is to be known about it in angle brackets."""
    if path is None:
        return f"<{printable(status or 'no path')}>"
    return printable(path) + (" <truncated>" if status == "truncated" else "")


def log2_histogram(counts: Mapping[int, int], label: str) -> Iterator[str]:
    """bcc's log2 histogram. ``counts`` by slot: slot n holds the values from 2^(n-1) to 2^n - 1; slot 1 also 0."""
    counts = {slot: count for slot, count in counts.items() if count > 0 and slot > 0}
    last, most = max(counts, default=0), max(counts.values(), default=0)
    wide = last > 32
    width = 20 if wide else 40
    digits = 20 if wide else 10
    if last:
        yield f"{' ' * (15 if wide else 5)}{label:<{29 if wide else 19}} : count     distribution"
    for slot in range(1, last + 1):
        low, high = (1 << slot) >> 1, (1 << slot) - 1
        count = counts.get(slot, 0)
        bar = _stars(count, most, width)
        yield f"{low - (low == high):>{digits}} -> {high:<{digits}} : {count:<8} |{bar:<{width}}|"


def _stars(value: int, most: int, width: int) -> str:
    # bcc adds a star while i <= width * value / most - 1, i from 0: the quotient rounded down.
    stars = 0
    while not (stars > width * value / most - 1 or stars > width - 1):
        stars += 1
    return "*" * stars


def shown(value: object) -> str:
    """A value made safe to print; what a trace does not say is ``[unknown]``, as in bcc's tools."""
    return "[unknown]" if value is None else printable(str(value))

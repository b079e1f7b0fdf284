"""Which calls a report looks at: one description for all reports, and the SQL that it becomes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, literal
from bpfrec.analyze.reports.moments import moment_ns
from bpfrec.formats.manifest import Manifest

FILTERS = ("pid", "tid", "uid", "name", "syscall", "failed", "since", "until")
"""The options of a report that choose calls, as :meth:`CallFilter.of` takes them."""

_UID_SIGN = 2**31


@dataclass(frozen=True)
class CallFilter:
    """Rows of ``syscalls``: those that meet every condition that is given; without any, all of them.

    ``pids``, ``tids``, ``uids`` and ``syscalls`` list what may stand in a column. ``name`` is part of the thread's
    name. ``failed`` leaves out calls that worked. ``since`` and ``until`` bound the entry of a call, see
    :func:`~bpfrec.analyze.reports.moments.moment_ns`; ``until`` itself is outside.
    """

    pids: tuple[int, ...] = ()
    tids: tuple[int, ...] = ()
    uids: tuple[int, ...] = ()
    syscalls: tuple[str, ...] = ()
    name: str | None = None
    failed: bool = False
    since: str | float | None = None
    until: str | float | None = None

    @classmethod
    def of(
        cls,
        *,
        pid: int | Iterable[int] | None = None,
        tid: int | Iterable[int] | None = None,
        uid: int | Iterable[int] | None = None,
        name: str | None = None,
        syscall: str | Iterable[str] | None = None,
        failed: bool = False,
        since: str | float | None = None,
        until: str | float | None = None,
    ) -> CallFilter:
        """The filter as users write it: a single value, several, or None for no condition."""
        return cls(_several(pid), _several(tid), _several(uid), _several(syscall), name, failed, since, until)

    def conditions(self, manifest: Manifest, table: str = "") -> list[Fragment]:
        """SQL conditions on ``syscalls`` (or ``samples``, which has neither calls nor failures), in a fixed order.

        ``manifest`` is that of the trace: it says what times mean. ``table`` stands before the columns if it is given.

        Raises:
            ReportError: a time cannot be read.
        """
        prefix = f"{table}." if table else ""
        # A trace has user ids as INTEGER, so that the upper half of them is negative there.
        uids = tuple(uid - 2 * _UID_SIGN if uid >= _UID_SIGN else uid for uid in self.uids)
        columns = (("pid", self.pids), ("tid", self.tids), ("uid", uids), ("syscall", self.syscalls))
        found = [_one_of(f"{prefix}{identifier(name)}", values) for name, values in columns if values]
        if self.name is not None:
            found.append(Fragment(f"contains({prefix}comm, {literal(self.name)})"))
        if self.failed:
            found.append(Fragment(f"failed({prefix}ret)"))
        if self.since is not None:
            found.append(Fragment(f"{prefix}ts_ns >= {literal(moment_ns(self.since, manifest))}"))
        if self.until is not None:
            found.append(Fragment(f"{prefix}ts_ns < {literal(moment_ns(self.until, manifest))}"))
        return found

    def where(self, manifest: Manifest, table: str = "") -> Fragment:
        """The conditions as one; TRUE where there are none."""
        return where(self.conditions(manifest, table))


def _several(values: Any) -> tuple[Any, ...]:
    if values is None:
        return ()
    return (values,) if isinstance(values, int | str) else tuple(values)


def _one_of(column: str, values: tuple[int | str, ...]) -> Fragment:
    return Fragment(f"{column} = {literal(values[0])}" if len(values) == 1 else f"{column} IN {literal(values)}")

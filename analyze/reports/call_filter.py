"""Which calls a report looks at: one description for all reports, and the SQL that it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, literal
from bpfrec.analyze.reports.moments import moment_sql
from bpfrec.formats.kernel.call_lists import chosen_calls
from bpfrec.formats.manifest import Manifest

FILTERS = ("pid", "tid", "uid", "name", "syscall", "failed", "path", "since", "until")
"""The options of a report that choose calls, as :meth:`CallFilter.of` takes them."""

CALLS_ONLY = ("syscall", "failed", "path")
"""Those of them that samples and signals have nothing for."""

_UID_SIGN = 2**31
_PATHS = ("path", "path2", "resolved_path", "resolved_path2")


@dataclass(frozen=True)
class CallFilter:
    """Rows of ``syscalls``: those that meet every condition that is given; without any, all of them.

    ``pids``, ``tids`` and ``uids`` list what may stand in a column. ``syscalls`` are lists of calls, see
    :mod:`bpfrec.formats.kernel.call_lists`. ``name`` is part of the thread's name. ``failed`` leaves out calls that
    worked. ``paths`` are patterns, see :func:`path_condition`. ``since`` and ``until`` bound the entry of a call, see
    :func:`~bpfrec.analyze.reports.moments.moment_sql`; ``until`` itself is outside.
    """

    pids: tuple[int, ...] = ()
    tids: tuple[int, ...] = ()
    uids: tuple[int, ...] = ()
    syscalls: tuple[str, ...] = ()
    name: str | None = None
    failed: bool = False
    paths: tuple[str, ...] = ()
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
        path: str | Iterable[str] | None = None,
        since: str | float | None = None,
        until: str | float | None = None,
    ) -> CallFilter:
        """The filter as users write it: a single value, several, or None for no condition."""
        return cls(
            pids=_several(pid),
            tids=_several(tid),
            uids=_several(uid),
            syscalls=_several(syscall),
            name=name,
            failed=failed,
            paths=_several(path),
            since=since,
            until=until,
        )

    @property
    def is_about_calls(self) -> bool:
        """Whether one of :data:`CALLS_ONLY` is given."""
        return bool(self.syscalls or self.failed or self.paths)

    def conditions(self, manifest: Manifest, table: str = "") -> list[Fragment]:
        """SQL conditions on ``syscalls``, in a fixed order.

        They fit ``samples`` and ``signals`` too where :attr:`is_about_calls` is false.

        ``manifest`` is that of the trace: it says what times mean. ``table`` stands before the columns if it is given.

        Raises:
            BpfrecError: a time or a list of calls cannot be read.
        """
        prefix = f"{table}." if table else ""
        # A trace has user ids as INTEGER, so that the upper half of them is negative there.
        uids = tuple(uid - 2 * _UID_SIGN if uid >= _UID_SIGN else uid for uid in self.uids)
        columns = (("pid", self.pids), ("tid", self.tids), ("uid", uids))
        found = [_one_of(f"{prefix}{identifier(name)}", values) for name, values in columns if values]
        calls = chosen_calls(self.syscalls)
        if calls is not None:
            column = f"{prefix}{identifier('syscall')}"
            test = _one_of(column, tuple(sorted(calls.names)))
            found.append(Fragment(f"({test}) IS NOT TRUE") if calls.negative else test)
        if self.name is not None:
            found.append(Fragment(f"contains({prefix}comm, {literal(self.name)})"))
        if self.failed:
            found.append(Fragment(f"failed({prefix}ret)"))
        if self.paths:
            found.append(path_condition(self.paths, [f"{prefix}{column}" for column in _PATHS]))
        if self.since is not None:
            found.append(Fragment(f"{prefix}ts_ns >= {moment_sql(self.since, manifest)}"))
        if self.until is not None:
            found.append(Fragment(f"{prefix}ts_ns < {moment_sql(self.until, manifest)}"))
        return found

    def where(self, manifest: Manifest, table: str = "") -> Fragment:
        """The conditions as one; TRUE where there are none."""
        return where(self.conditions(manifest, table))


def path_condition(patterns: Iterable[str], columns: Sequence[str]) -> Fragment:
    """SQL: whether one of ``columns``, which have paths, matches one of ``patterns``.

    ``*`` stands for any text, also one with slashes, ``?`` for a character, ``[...]`` for one of several. A pattern
    without a slash is compared with the name of the file too: the part behind the last slash.
    """
    tests = []
    for pattern in patterns:
        shapes = [pattern] if "/" in pattern else [pattern, f"*/{pattern}"]
        tests += [f"coalesce({column} GLOB {literal(shape)}, FALSE)" for column in columns for shape in shapes]
    return Fragment(f"({' OR '.join(tests)})")


def _several(values: Any) -> tuple[Any, ...]:
    if values is None:
        return ()
    return (values,) if isinstance(values, int | str) else tuple(values)


def _one_of(column: str, values: tuple[int | str, ...]) -> Fragment:
    if not values:
        return Fragment("FALSE")
    return Fragment(f"{column} = {literal(values[0])}" if len(values) == 1 else f"{column} IN {literal(values)}")

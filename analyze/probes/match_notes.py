"""Which calls of a trace a probe matched, said to the reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import Fragment, literal
from bpfrec.analyze.probes.functions import find_function, heads_of
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.probes.sites import Site
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.schema import DATA
from bpfrec.formats.trace_reader import table_rows


def match_notes(trace: Queries, scope: SiteScope, chosen: Sequence[Fragment]) -> list[str]:
    """What the probe of ``scope`` matched, if that is not just the call it names, and what it left out.

    ``chosen``: the conditions (pid, tid ...) on the rows of syscalls that the report looks at.
    """
    function = scope.site.function
    if not function.members:
        return []
    counts = _counts(trace, scope.site, chosen)
    if not counts:
        return [_nothing(trace, scope)]
    present = [member for member in scope.members if member in counts]
    notes = []
    if present and present != [function.name]:
        reason = f" ({function.reason})" if function.reason else ""
        notes.append(f"{function.name}: matched {', '.join(present)}{reason}")
    for member, parameter in scope.lacking.items():
        if member in counts:
            why = f"{parameter} is none of its arguments" if parameter else "its arguments are not described"
            notes.append(f"{function.name}: {counts[member]} calls of {member} left out: {why}")
    notes += _left_out_of_32_bit(trace, scope)
    return notes


def _left_out_of_32_bit(trace: Queries, scope: SiteScope) -> Iterator[str]:
    for member, parameter in scope.lacking_in_32_bit.items():
        query = f"SELECT count(*) FROM syscalls WHERE syscall = {literal(member)} AND abi = 'i386'"  # noqa: S608
        if count := trace.query(query).rows[0][0]:
            why = f"{parameter} is none of their arguments"
            yield f"{scope.site.function.name}: {count} calls of {member} by 32-bit programs left out: {why}"


def holds_data(trace: Queries) -> bool:
    """Whether the trace holds contents of buffers."""
    return table_rows(trace.manifest).get(DATA.name, 0) > 0


def _counts(trace: Queries, site: Site, chosen: Sequence[Fragment] = ()) -> dict[str, int]:
    """How many calls of each system call there are that stand for the function of ``site``."""
    scope = SiteScope(replace(site, at_exit=False))
    condition = where([*map(Fragment, scope.conditions()), *chosen])
    source = " ".join(["syscalls", *scope.joins])
    query = f"SELECT syscall, count(*) FROM {source} WHERE {condition} GROUP BY ALL ORDER BY ALL"  # noqa: S608
    return {str(name): int(count) for name, count in trace.query(query).rows}


def _nothing(trace: Queries, scope: SiteScope) -> str:
    """Why no call matched."""
    function = scope.site.function
    calls = " or ".join(dict.fromkeys([function.name, *scope.members]))
    elsewhere = _counts(trace, scope.site)
    if elsewhere:
        return f"no call of {calls} by those asked for; the trace holds {sum(elsewhere.values())} by others"
    unlike = {name: count for name in scope.members if (count := trace.manifest.syscalls.get(name))}
    if unlike:
        counted = ", ".join(f"{count} calls of {name}" for name, count in unlike.items())
        return f"the trace holds {counted}, but none that stands for {function.name}"
    others = "" if function.is_family else _others(trace, function.name)
    return f"the trace holds no call of {calls}: {_recorded(trace.manifest.configuration, scope.members)}{others}"


def _others(trace: Queries, name: str) -> str:
    for head in heads_of(name):
        counts = _counts(trace, Site(find_function(head), at_exit=False))
        if counts:
            return f"; it holds {', '.join(counts)}, which the probe {head} matches too"
    return ""


def _recorded(configuration: dict[str, Any], members: list[str]) -> str:
    """Whether the recording would have kept such calls, from the option ``events`` (names and %classes)."""
    if "events" not in configuration:
        return "none was recorded"
    given = configuration["events"]
    events = given.split(",") if isinstance(given, str) else [str(e) for e in given] if isinstance(given, list) else []
    names = {name for member in members for name in (member, *(f"%{c}" for c in syscalls()[member].classes))}
    if not events or names & set(events):
        return "it was recorded, so none was made"
    return f"it was not recorded, only {', '.join(events[:8])}{' ...' if len(events) > 8 else ''}"

"""From a probe as written to the events of a trace at which its action runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.analyze.bpftrace.tracepoints import (
    EXEC_FIELDS,
    EXIT_FIELDS,
    FORK_FIELDS,
    PROCESS_EXIT_FIELDS,
    RAW_ENTRY_FIELDS,
    RAW_EXIT_FIELDS,
    Field,
    entry_fields,
    traced_calls,
)
from bpfrec.formats.units import whole_number


class Source(Enum):
    """What makes a probe fire."""

    BEGIN = "begin"
    END = "end"
    INTERVAL = "interval"
    ENTER = "enter"
    EXIT = "exit"
    RAW_ENTER = "raw_enter"
    RAW_EXIT = "raw_exit"
    SAMPLE = "sample"
    FORK = "fork"
    EXEC = "exec"
    PROCESS_EXIT = "process_exit"

    @property
    def is_entry(self) -> bool:
        """Whether it is the entry of a system call."""
        return self in (Source.ENTER, Source.RAW_ENTER)

    @property
    def is_exit(self) -> bool:
        """Whether it is the exit of a system call."""
        return self in (Source.EXIT, Source.RAW_EXIT)

    @property
    def has_event(self) -> bool:
        """Whether it is something that was recorded, and no time or end of the replay."""
        return self not in (Source.BEGIN, Source.END, Source.INTERVAL)


@dataclass(frozen=True)
class Site:
    """One probe after wildcards: its full name, what makes it fire, the system call (its name, not the tracepoint's).

    ``period_ns``: of an interval. ``provider``: tracepoint, kprobe, kretprobe, rawtracepoint, fentry, fexit ...
    ``function``: what ``func`` is.
    """

    name: str
    source: Source
    provider: str
    call: str | None = None
    fields: Mapping[str, Field] | None = None
    period_ns: int = 0
    function: str = ""

    def __hash__(self) -> int:
        return hash((self.name, self.source))


_PROVIDERS = {
    "tracepoint": "tracepoint",
    "t": "tracepoint",
    "rawtracepoint": "rawtracepoint",
    "rt": "rawtracepoint",
    "kprobe": "kprobe",
    "k": "kprobe",
    "kretprobe": "kretprobe",
    "kr": "kretprobe",
    "kfunc": "fentry",
    "fentry": "fentry",
    "f": "fentry",
    "kretfunc": "fexit",
    "fexit": "fexit",
    "fr": "fexit",
    "profile": "profile",
    "p": "profile",
    "interval": "interval",
    "i": "interval",
}
NOT_RECORDED = {
    "software": "software events",
    "s": "software events",
    "hardware": "hardware events",
    "h": "hardware events",
    "uprobe": "functions of programs",
    "u": "functions of programs",
    "uretprobe": "functions of programs",
    "ur": "functions of programs",
    "usdt": "static probes of programs",
    "watchpoint": "accesses to memory",
    "w": "accesses to memory",
    "asyncwatchpoint": "accesses to memory",
    "aw": "accesses to memory",
    "iter": "the kernel's objects",
    "it": "the kernel's objects",
    "self": "signals to bpftrace",
    "bench": "benchmarks",
    "test": "tests",
}
_PERIODS = {"s": 10**9, "ms": 10**6, "us": 10**3}
_SHORT_PERIOD = re.compile(r"(\d+)(ns|us|ms|s|m|h|d)?")
_SHORT_UNITS = {None: 1, "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SCHED = {
    "sched_process_fork": (Source.FORK, FORK_FIELDS),
    "sched_process_exec": (Source.EXEC, EXEC_FIELDS),
    "sched_process_exit": (Source.PROCESS_EXIT, PROCESS_EXIT_FIELDS),
}
_FUNCTION = re.compile(r"(?:__x64_|__se_|__do_)?sys_(\w+)")
_X64 = "__x64_sys_"

HELD = "bpfrec analyze bpftrace -l lists the probes that a trace answers for."


def sites(text: str, span: Span, parameters: list[str], held: Holdings) -> list[Site]:
    """The probes that ``text`` names, after ``$1`` was put in and wildcards were matched.

    Raises:
        Problem: there are none of that name, or they are not recorded.
    """
    written = re.sub(r"\$(\d+)", lambda m: _parameter(int(m[1]), parameters, span), text)
    if written.lower() in ("begin", "end"):
        source = Source(written.lower())
        return [Site(written.upper(), source, source.value)]
    provider, *rest = (part.strip('"') for part in written.split(":"))
    lowered = provider.lower()
    if lowered in NOT_RECORDED:
        raise Problem(span, f"{written}: {NOT_RECORDED[lowered]} are not recorded", HELD)
    providers = [name for name in dict.fromkeys(_PROVIDERS.values()) if fnmatchcase(name, lowered)]
    kind = _PROVIDERS.get(lowered) or (providers[0] if "*" in lowered and providers else None)
    if kind is None:
        raise Problem(span, f"Invalid probe type: {provider}", HELD)
    if kind in ("interval", "profile"):
        return [_timer(kind, written, rest, span, held)]
    if kind == "tracepoint":
        return _tracepoints(written, rest, span, held)
    if kind == "rawtracepoint":
        return _raw(written, rest, span)
    return _functions(kind, written, rest, span, held)


def _parameter(number: int, parameters: list[str], span: Span) -> str:
    if number > len(parameters):
        raise Problem(span, f"the probe names ${number}, and {len(parameters)} parameters were given")
    return parameters[number - 1]


def _timer(kind: str, written: str, rest: list[str], span: Span, held: Holdings) -> Site:
    period = _period_ns(rest)
    if period is None:
        raise Problem(
            span, f"{written}: {kind} needs a unit and a number", f"as in {kind}:s:1, {kind}:ms:10, {kind}:hz:99"
        )
    if kind == "interval":
        return Site(written, Source.INTERVAL, kind, period_ns=period)
    if not held.profile_hz:
        raise Problem(
            span, f"{written}: the trace has no samples of what ran", "record --profile 99 would have taken them."
        )
    return Site(written, Source.SAMPLE, kind, period_ns=period)


def _period_ns(rest: list[str]) -> int | None:
    if len(rest) == 1 and (match := _SHORT_PERIOD.fullmatch(rest[0])) and match[2] in _SHORT_UNITS:
        return int(match[1]) * _SHORT_UNITS[match[2]] or None
    number = whole_number(rest[1]) if len(rest) == 2 else None
    if not number:
        return None
    if rest[0] == "hz":
        return 10**9 // number or None
    return number * _PERIODS[rest[0]] if rest[0] in _PERIODS else None


def _tracepoints(written: str, rest: list[str], span: Span, held: Holdings) -> list[Site]:
    if len(rest) != 2:
        raise Problem(span, "tracepoint probe must have a target", "as in tracepoint:syscalls:sys_enter_openat")
    matched = [site for site in every_tracepoint() if _matches(site, rest)]
    if not matched:
        category = rest[0]
        if category in ("syscalls", "raw_syscalls"):
            raise Problem(span, f"tracepoint not found: {':'.join(rest)}", _near(rest[1]))
        raise Problem(span, f"{written}: tracepoints of {category} are not recorded", HELD)
    return _held(matched, written, span, held)


def _matches(site: Site, rest: list[str]) -> bool:
    _, category, event = site.name.split(":")
    return fnmatchcase(category, rest[0]) and fnmatchcase(event, rest[1])


def _near(event: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(event, [site.name.split(":")[2] for site in every_tracepoint()], n=3)
    return f"Did you mean {' or '.join(near)}?" if near else ""


def _held(matched: Iterable[Site], written: str, span: Span, held: Holdings) -> list[Site]:
    found = list(matched)
    kept = [site for site in found if site.call is None or held.holds(site.call)]
    if not kept:
        names = sorted(held.calls or ())
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        call = found[0].call
        raise Problem(
            span,
            f"{written}: the trace does not hold this call: it was recorded with -e",
            f"It holds {shown or 'none'}. record -e {call}, or without -e, would have taken it.",
        )
    return kept


def every_tracepoint() -> list[Site]:
    """All tracepoints that traces can hold, by name."""
    found = []
    for name, call in traced_calls().items():
        for way, source, fields in (
            ("enter", Source.ENTER, entry_fields(name)),
            ("exit", Source.EXIT, EXIT_FIELDS),
        ):
            full = f"tracepoint:syscalls:sys_{way}_{name}"
            found.append(Site(full, source, "tracepoint", call.name, fields, function=f"{_X64}{name}"))
    for event, (source, fields) in _SCHED.items():
        found.append(Site(f"tracepoint:sched:{event}", source, "tracepoint", None, fields))
    for way, source, fields in (
        ("enter", Source.RAW_ENTER, RAW_ENTRY_FIELDS),
        ("exit", Source.RAW_EXIT, RAW_EXIT_FIELDS),
    ):
        found.append(Site(f"tracepoint:raw_syscalls:sys_{way}", source, "tracepoint", None, fields))
    return sorted(found, key=lambda site: site.name)


def _raw(written: str, rest: list[str], span: Span) -> list[Site]:
    event = rest[-1] if rest else ""
    if event == "sys_enter":
        return [Site(f"rawtracepoint:{event}", Source.RAW_ENTER, "rawtracepoint", None, RAW_ENTRY_FIELDS)]
    if event == "sys_exit":
        return [Site(f"rawtracepoint:{event}", Source.RAW_EXIT, "rawtracepoint", None, RAW_EXIT_FIELDS)]
    raise Problem(span, f"{written}: this raw tracepoint is not recorded", HELD)


def _functions(kind: str, written: str, rest: list[str], span: Span, held: Holdings) -> list[Site]:
    function = rest[-1] if rest else ""
    at_exit = kind in ("kretprobe", "fexit")
    source = Source.EXIT if at_exit else Source.ENTER
    matched = [
        Site(f"{kind}:{_X64}{name}", source, kind, call.name, None, function=f"{_X64}{name}")
        for name, call in traced_calls().items()
        if fnmatchcase(f"{_X64}{name}", function)
    ]
    if not matched:
        named = _FUNCTION.fullmatch(function)
        near = f"{kind}:{_X64}{named[1]}" if named and named[1] in traced_calls() else ""
        raise Problem(
            span,
            f"{written}: functions of the kernel are not recorded",
            f"{near} is." if near else HELD,
        )
    return _held(matched, written, span, held)

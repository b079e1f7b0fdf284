"""The probes that a trace answers for, as ``bpftrace -l`` lists them."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.analyze.bpftrace.kinds import Array
from bpfrec.analyze.bpftrace.probes import Site, Source, every_tracepoint


def listed(pattern: str, held: Holdings, verbose: bool) -> Iterator[str]:
    """Names that match ``pattern``; ``verbose``: with their arguments as the kernel declares them."""
    wanted = _full(pattern)
    for site in _every(held):
        if fnmatchcase(site.name, wanted):
            yield site.name
            if verbose:
                yield from _arguments(site)


def _full(pattern: str) -> str:
    provider, colon, rest = pattern.partition(":")
    long = {"t": "tracepoint", "k": "kprobe", "kr": "kretprobe", "rt": "rawtracepoint", "i": "interval", "p": "profile"}
    return f"{long.get(provider, provider)}{colon}{rest}"


def _every(held: Holdings) -> Iterator[Site]:
    for site in every_tracepoint():
        if site.call is None or held.holds(site.call):
            yield site
    for site in every_tracepoint():
        if site.call is not None and held.holds(site.call):
            kind = "kprobe" if site.source is Source.ENTER else "kretprobe"
            yield Site(f"{kind}:{site.function}", site.source, kind, site.call)
    for event, source in (("sys_enter", Source.RAW_ENTER), ("sys_exit", Source.RAW_EXIT)):
        yield Site(f"rawtracepoint:{event}", source, "rawtracepoint")
    for unit in ("us", "ms", "s", "hz"):
        yield Site(f"interval:{unit}:", Source.INTERVAL, "interval")
    if held.profile_hz:
        yield Site(f"profile:hz:{held.profile_hz}", Source.SAMPLE, "profile")


def _arguments(site: Site) -> Iterator[str]:
    for field in (site.fields or {}).values():
        if site.source is Source.PROCESS_EXIT and field.name == "prio":
            continue
        declared = field.declared
        if isinstance(field.kind, Array) and "[" in declared:
            yield f"    {declared.partition('[')[0]} {field.name}[{declared.partition('[')[2]}"
        else:
            yield f"    {declared}{'' if declared.endswith('*') else ' '}{field.name}"

"""The probes of trace: ``[{p,r,t,u}:[library]:]function[(signature)] [(predicate)] ["format", expression, ...]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpfrec.analyze.probes import c_syntax
from bpfrec.analyze.probes.printf import Message, parse_message
from bpfrec.analyze.probes.sites import Site, locate
from bpfrec.analyze.probes.splitting import check_text, closing
from bpfrec.formats.errors import ReportError


@dataclass(frozen=True)
class TraceProbe:
    """A probe: the name it shows, where it sits, on which calls it fires, and what it says."""

    shown: str
    site: Site
    condition: c_syntax.Expression | None
    message: Message | None


def parse_trace_probe(text: str) -> TraceProbe:
    """Reads the probe in ``text``.

    Raises:
        ReportError: it is malformed, or asks for what a trace does not hold.
    """
    check_text(text, "the probe")
    text = text.strip()
    match = re.match(r"[^\s(]+", text)
    if not match:
        raise _wrong(text, "it names no function")
    rest = text[match.end() :]
    signature = None
    if rest.startswith("("):
        signature, rest = _bracket(text, rest)
    kind, library, function = _place(text, match[0])
    if signature is not None and kind in {"t", "u"}:
        raise _wrong(text, "tracepoints have no signature; use args->NAME")
    site = locate(kind, library, function, signature)
    condition = None
    rest = rest.lstrip()
    if rest.startswith("("):
        predicate, rest = _bracket(text, rest)
        condition = c_syntax.parse_expression(predicate)
    return TraceProbe(function, site, condition, parse_message(rest.strip()))


def _place(text: str, place: str) -> tuple[str, str, str]:
    """Kind, library and function; ``func`` alone means ``p::func``, ``lib:func`` means ``p:lib:func``."""
    parts = place.split(":")
    if len(parts) == 1:
        parts = ["p", "", *parts]
    elif len(parts) == 2:
        parts = ["p", *parts]
    kind = parts[0] or "p"
    if kind not in {"p", "r", "t", "u"}:
        raise _wrong(text, f"the probe type must be p, r, t or u, not {kind}")
    if not parts[-1]:
        raise _wrong(text, "it names no function")
    return kind, ":".join(parts[1:-1]), parts[-1]


def _bracket(text: str, rest: str) -> tuple[str, str]:
    end = closing(rest)
    if end is None:
        raise _wrong(text, "a bracket is not closed")
    return rest[1:end], rest[end + 1 :]


def _wrong(text: str, why: str) -> ReportError:
    return ReportError(
        f"error in probe '{text}': {why}",
        'It has the form [{p,r,t}:[library]:]function[(signature)] [(predicate)] ["format", expression, ...]',
    )

"""The probe specifiers of argdist.

``{p,r,t,u}:{[library],category}:function(signature)[:type[,type...]:expr[,expr...][:filter]][#label]``
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpfrec.analyze.probes import c_syntax, c_types
from bpfrec.analyze.probes.c_types import CType, parse_type
from bpfrec.analyze.probes.sites import Site, locate
from bpfrec.analyze.probes.splitting import check_text, closing, outside, split
from bpfrec.formats.errors import ReportError


@dataclass(frozen=True)
class Collected:
    """An expression to collect: how it is shown, its type and tree."""

    shown: str
    ctype: CType
    tree: c_syntax.Expression


@dataclass(frozen=True)
class ArgdistSpec:
    """A specifier. ``collected`` is empty if it names no expression and sits at an entry: then calls are counted."""

    text: str
    label: str | None
    site: Site
    collected: tuple[Collected, ...]
    condition: c_syntax.Expression | None

    @property
    def title(self) -> str:
        """What stands above its counts."""
        return self.label or self.text


def parse_argdist(text: str, histogram: bool) -> ArgdistSpec:
    """Reads the specifier in ``text``, for a histogram or a frequency count.

    Raises:
        ReportError: it is malformed, or asks for what a trace does not hold.
    """
    check_text(text, "the probe specifier")
    cut = next((i for i, char in outside(text) if char == "#"), None)
    spec, label = (text, None) if cut is None else (text[:cut], text[cut + 1 :])
    head = re.match(r"\s*([^:]*):([^:]*):([^:(]*)\(", spec)
    if not head:
        raise _wrong(text, "the probe type, the library (or nothing) and a function with its brackets must be given")
    kind, library, function = (part.strip() for part in head.groups())
    if kind not in {"p", "r", "t", "u"}:
        raise _wrong(text, f"the probe type must be p, r, t or u, not {kind or 'empty'}")
    end = closing(spec[head.end() - 1 :])
    if end is None or not function:
        raise _wrong(text, "the function's brackets are not closed" if function else "the function has no name")
    signature = spec[head.end() : head.end() - 1 + end]
    rest = spec[head.end() + end :].strip()
    if rest and not rest.startswith(":"):
        raise _wrong(text, f"a colon is missing before: {rest}")
    parts = split(rest[1:], ":") if rest else []
    if len(parts) > 3:
        raise _wrong(text, "there are more than six parts between colons")
    site = locate(kind, library, function, signature)
    collected = _collected(text, site, histogram, parts)
    condition = c_syntax.parse_expression(parts[2]) if len(parts) == 3 and parts[2].strip() else None
    return ArgdistSpec(text, label, site, collected, condition)


def _collected(text: str, site: Site, histogram: bool, parts: list[str]) -> tuple[Collected, ...]:
    if len(parts) < 2:
        if site.at_exit and not site.tracepoint:
            return (Collected("retval", c_types.INT, c_syntax.Name("$retval")),)
        if histogram:
            raise _wrong(text, "a histogram needs an expression")
        return ()
    types = [parse_type(part) for part in split(parts[0], ",")]
    expressions = split(parts[1], ",")
    if len(types) != len(expressions):
        raise _wrong(text, f"{len(types)} types but {len(expressions)} expressions")
    if histogram and len(types) > 1:
        raise _wrong(text, "a histogram takes one expression")
    if histogram and types[0].is_string:
        raise _wrong(text, "a histogram needs numbers, and a string is none")
    return tuple(
        Collected(re.sub(r"\$entry\((\w+)\)", r"\1", e), t, c_syntax.parse_expression(e))
        for e, t in zip(expressions, types, strict=True)
    )


def _wrong(text: str, why: str) -> ReportError:
    return ReportError(
        f"error parsing probe '{text}': {why}",
        "It has the form {p,r,t}:{library,category}:function(signature)[:types:expressions[:filter]][#label]",
    )

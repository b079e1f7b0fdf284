"""Conditions in SQL."""

from __future__ import annotations

from bpfrec.analyze.engine.sqltemplate import Fragment


def where(parts: list[Fragment]) -> Fragment:
    """``parts`` joined to one condition; TRUE where there are none."""
    return Fragment(" AND ".join(parts) or "TRUE")

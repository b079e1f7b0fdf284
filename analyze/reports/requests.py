"""Requests to io_uring in reports about calls."""

from __future__ import annotations

from bpfrec.formats.manifest import Manifest
from bpfrec.formats.schema import URING
from bpfrec.formats.trace_reader import table_rows


def has_requests(manifest: Manifest) -> bool:
    """Whether the trace has rows of requests to io_uring."""
    return table_rows(manifest).get(URING.name, 0) > 0

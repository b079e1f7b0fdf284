"""Opens a trace, wherever it is."""

from __future__ import annotations

from pathlib import Path

from bpfrec.formats.remote.remote_reader import RemoteTraceReader
from bpfrec.formats.remote.uri import Uri
from bpfrec.formats.trace_reader import TraceReader


def open_reader(place: Path | Uri) -> TraceReader | RemoteTraceReader:
    """The files of the trace at ``place``.

    Raises:
        TraceFileError: missing, refused, not a trace, damaged, or of a newer format.
    """
    return RemoteTraceReader(place) if isinstance(place, Uri) else TraceReader(place)

"""Times of a recording in words: read from what users write, and written for them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bpfrec.analyze.engine.errors import OWN_ERROR
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import Fragment, literal
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.schema import SYSCALLS
from bpfrec.formats.units import seconds_in

_SECOND_NS = 1_000_000_000
_EVENT = re.compile(r"event:([0-9]{1,20})")


def event_of(moment: str | float) -> int | None:
    """The event_id of a moment that is the entry of a call (``event:1234``); None for any other."""
    event = _EVENT.fullmatch(str(moment).strip())
    return int(event[1]) if event else None


def moment_sql(moment: str | float, manifest: Manifest) -> Fragment:
    """SQL of a moment of a recording, in ns on its CLOCK_MONOTONIC; the query fails if there is no such call.

    ``moment``: the time from the start of the recording, in seconds (``1.5``) or with units (``500ms``, ``1m30s``); the
    time of the wall clock in UTC (``10:03:15``, ``10:03:15.250``, ``2026-08-01T10:03:15Z``), where a time without a
    date is the first such time since the recording began; or the entry of a call (``event:1234``).

    Raises:
        ReportError: it is no moment of this trace.
    """
    event = event_of(moment)
    if event is None:
        return literal(_time_ns(moment, manifest))
    missing = f"the trace has no call with event_id {event}"
    rows = manifest.tables[SYSCALLS.name].rows if SYSCALLS.name in manifest.tables else 0
    # Calls that were chosen from another trace keep the numbers that they had there.
    if event >= rows and manifest.sharing is None:
        raise ReportError(missing, f"Its calls are event:0 to event:{rows - 1}." if rows else "It has none.")
    return Fragment(
        f"(SELECT CASE WHEN count(ts_ns) = 0 THEN error({literal(OWN_ERROR + missing)}) ELSE min(ts_ns) END"  # noqa: S608
        f" FROM syscalls WHERE event_id = {event})"
    )


def moment_ns(moment: str | float, trace: Queries) -> int:
    """The moment that :func:`moment_sql` reads, in ns on CLOCK_MONOTONIC.

    Raises:
        BpfrecError: it is no moment of this trace.
    """
    return int(trace.query(f"SELECT {moment_sql(moment, trace.manifest)}").rows[0][0])


def _time_ns(moment: str | float, manifest: Manifest) -> int:
    try:
        return manifest.start_ns + round(seconds_in(str(moment)) * _SECOND_NS)
    except (ValueError, OverflowError):
        pass
    start_ns = manifest.start_ns + wall_offset_ns(manifest)
    start = datetime.fromtimestamp(start_ns // _SECOND_NS, UTC)
    text = str(moment).strip()
    try:
        if "-" in text:
            wall = datetime.fromisoformat(text)
            wall = wall if wall.tzinfo else wall.replace(tzinfo=UTC)
        else:
            wall = datetime.fromisoformat(f"{start.date().isoformat()}T{text}")
            wall = wall if wall.tzinfo else wall.replace(tzinfo=UTC)
            wall += timedelta(days=wall < start)
    except ValueError:
        raise ReportError(
            f"{text!r} is no time",
            "Give the time from the start of the recording (1.5, 500ms), a time in UTC (10:03:15, 2026-08-01T10:03:15),"
            " or a call (event:1234).",
        ) from None
    since_epoch = wall - datetime.fromtimestamp(0, UTC)
    wall_ns = (since_epoch.days * 86_400 + since_epoch.seconds) * _SECOND_NS + since_epoch.microseconds * 1_000
    return wall_ns - wall_offset_ns(manifest)


def time_of_day(ts_ns: int, manifest: Manifest) -> str:
    """A time on CLOCK_MONOTONIC as HH:MM:SS in UTC, the clock of all reports."""
    seconds = (ts_ns + wall_offset_ns(manifest)) // _SECOND_NS
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def zone_notes(manifest: Manifest) -> list[str]:
    """A remark for tables that show a time of day without room for its zone, if the recording host had another."""
    offset_s = manifest.clock.utc_offset_s
    if not offset_s:
        return []
    hours, minutes = divmod(abs(offset_s) // 60, 60)
    zone = f"UTC{'-' if offset_s < 0 else '+'}{hours:02d}:{minutes:02d}"
    return [f"times are UTC; the local time of the recording host was {zone}"]

"""What the page shows of a trace, as JSON; the page's scripts draw it, and those of the viewer make the same."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.flame.draw import measured
from bpfrec.analyze.flame.html_page import flame_data
from bpfrec.analyze.flame.layout import hidden_note, widest
from bpfrec.analyze.flame.text import safe
from bpfrec.analyze.page.tables import TABLES, table
from bpfrec.analyze.page.texts import shown, shown_lines
from bpfrec.analyze.page.timeline import Room, timeline
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError

_FLAMES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("time in system calls", {"by": "time"}),
    ("number of system calls", {"by": "calls"}),
    ("failed system calls", {"by": "failures"}),
    ("CPU samples", {"samples": True}),
)
_FINDINGS = 50
_MOST_CHARACTERS = 2_000


def model(trace: Trace, room: Room, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The model of the calls that ``chosen`` chooses, as options of ``CallFilter.of``, within ``room``."""
    manifest = trace.manifest
    options = {name: value for name, value in chosen.items() if value}
    where = CallFilter.of(**options).where(manifest)
    sections = _summary(trace, options)
    histograms = trace.report("latency", histogram=True, **options)
    latencies: dict[str, list[list[int]]] = {}
    for row in histograms.records():
        latencies.setdefault(shown(row["syscall"]), []).append([row["from_ns"], row["count"]])
    return {
        "version": bpfrec.__version__,
        "title": shown(trace.path.name),
        "trace": quote(safe(trace.path.name)),
        "losses": [shown(note, _MOST_CHARACTERS) for note in trace.loss_notes()],
        "chosen": [_choice(name, value) for name, value in options.items()],
        "start_wall_ns": str(manifest.start_ns + wall_offset_ns(manifest)),
        "summary": sections,
        "timeline": timeline(trace, where, room),
        "tables": [table(trace, spec, room.rows, options) for spec in TABLES],
        "latencies": latencies,
        "flames": _flames(trace, room, options),
    }


def _choice(name: str, value: Any) -> str:
    """One of the user's options that choose calls, in words."""
    if value is True:
        return name
    return f"{name} {shown(', '.join(map(str, value)) if isinstance(value, list | tuple) else str(value))}"


def _summary(trace: Trace, options: dict[str, Any]) -> dict[str, list[list[str | None]]]:
    """The rows of the report summary by section: name, value, detail, command."""
    sections: dict[str, list[list[str | None]]] = {}
    for row in trace.report("summary", top=_FINDINGS, **options).records():
        is_file = row["section"] == "recording" and row["name"] == "file"
        # In which folder the trace is here, nobody needs to know who gets the page.
        values = [row["name"], trace.path.name if is_file else row["value"], row["detail"], row["command"]]
        sections.setdefault(row["section"], []).append(
            [None if value is None else shown_lines(value, _MOST_CHARACTERS) for value in values]
        )
    return sections


def _flames(trace: Trace, room: Room, options: dict[str, Any]) -> list[dict[str, Any]]:
    """The flame graphs of what has stacks, each with a name and notes; ``refused`` says why there is none."""
    drawn: list[dict[str, Any]] = []
    for name, asked in _FLAMES:
        try:
            flame, _ = measured(trace, **asked, **options)
        except ReportError as error:
            if name == _FLAMES[0][0]:
                drawn.append({"name": name, "refused": shown(str(error), _MOST_CHARACTERS), "notes": []})
            continue
        few = widest(flame, room.frames)
        hidden = hidden_note(few)
        notes = [shown(note) for note in (*few.notes, *([hidden] if hidden else []))]
        drawn.append({"name": name, "notes": notes, "graph": flame_data(few)})
    return [one for one in drawn if "graph" in one] or drawn[:1]

"""Shares a trace: finds what may be secret in it, and makes a copy without that, with fewer rows if that is wished."""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bpfrec.analyze.facade import Trace
from bpfrec.analyze.share.columns import BINARIES, USERS, ColumnRedactor, Finding
from bpfrec.analyze.share.copy import copy_rows
from bpfrec.analyze.share.manifest import redacted_manifest
from bpfrec.analyze.share.people import users
from bpfrec.analyze.share.selection import Selection, prepare
from bpfrec.analyze.share.size import STEPS, next_step
from bpfrec.analyze.share.text import TextRedactor
from bpfrec.analyze.share.words import KEY_BYTES
from bpfrec.formats import schema
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.new_trace import check_target, publish, work_folder
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.formats.units import whole_number
from bpfrec.formats.version import VERSION

_MADE = "made.bpfrec"
_MOST_ROUNDS = 12
_MARGIN = 0.9
_LEFT_OUT = "left-out"
_REMEDY = "It was left out by bpfrec share: ask for the whole trace."


@dataclass(frozen=True)
class Wish:
    """What the copy is to be: without the classes ``redact``, only what is in ``selection``, in ``max_size`` bytes.

    ``keep``: words that are not replaced.
    """

    redact: frozenset[str] = frozenset()
    selection: Selection = field(default_factory=Selection)
    max_size: int | None = None
    keep: frozenset[str] = frozenset()


@dataclass
class Shared:
    """What was found, and what became of it. ``size`` in bytes, None if nothing was written; ``left_out``: in words."""

    findings: list[Finding]
    calls: int
    size: int | None = None
    left_out: list[str] = field(default_factory=list)


def share(trace: Trace, wish: Wish, target: Path | None, *, force: bool = False) -> Shared:
    """Looks through ``trace`` and, if ``target`` is given, writes the copy there, with mode 0600.

    Raises:
        BpfrecError: the target exists, no call is left, it cannot be made small enough, or the trace is damaged.
        OSError: the target cannot be written.
    """
    if target is not None:
        check_target(trace.path, target, force)
    key = secrets.token_bytes(KEY_BYTES)
    people = users(trace)
    left_out: list[str] = []
    with work_folder(target) if target else nullcontext("") as folder:
        selection = wish.selection
        for _ in range(_MOST_ROUNDS):
            pass_ = _Pass(trace, replace(wish, selection=selection), key, people)
            made = pass_.run(Path(folder) if target else None)
            if target is None or wish.max_size is None or (made.size or 0) <= wish.max_size:
                break
            selection = _smaller(trace, pass_, made, wish.max_size, left_out)
        else:
            raise BpfrecError(f"it cannot be made as small as {wish.max_size:,} bytes", "Choose less with --only.")
        made.left_out = left_out
        if target is not None:
            publish(Path(folder) / _MADE, target, force)
    return made


class _Pass:
    """One pass over a trace."""

    def __init__(self, trace: Trace, wish: Wish, key: bytes, people: list[str]) -> None:
        self.trace, self.wish = trace, wish
        host = trace.manifest.host.name
        private = {*people, host, host.partition(".")[0]} - {""}
        text = TextRedactor(key, {word for word in private if len(word) > 1} - wish.keep, wish.keep)
        self.redactor = ColumnRedactor(text, wish.redact)
        self.people = people
        self.manifest: Manifest | None = None
        self._text = text

    def run(self, folder: Path | None) -> Shared:
        selection = self.wish.selection
        prepare(self.trace, selection)
        writer = None
        if folder is not None:
            work = folder / "work"
            work.mkdir(exist_ok=True)
            writer = TraceWriter(work)
        calls = copy_rows(self.trace, selection, self.redactor, writer)
        if selection.chooses_calls and not calls:
            raise BpfrecError("no call is left", "Choose others with --only.")
        manifest = self._manifest_of(calls)
        self.manifest = manifest
        for name in self.people:
            self._note_user(name)
        shared = Shared(self.redactor.findings, sum(calls.values()))
        if writer is not None and folder is not None:
            writer.write_rows(schema.LOSSES, self._left_out())
            manifest.sharing = self._said()
            shared.size = writer.finish(manifest, folder / _MADE, None)
        return shared

    def _note_user(self, name: str) -> None:
        replaced = bool(self.wish.redact & {USERS, "paths"})
        finding = next((f for f in self.redactor.findings if f.name == USERS), None)
        if finding is None:
            self.redactor.note(Finding("all tables", "", USERS, replaced))
            finding = next(f for f in self.redactor.findings if f.name == USERS)
        finding.add(name, self._text.tokens.word(name), 1)

    def _manifest_of(self, calls: Any) -> Manifest:
        selection, before = self.wish.selection, self.trace.manifest
        manifest = redacted_manifest(before, self.redactor)
        manifest.tables = {}
        manifest.syscalls = dict(sorted(calls.items()))
        manifest.counters = manifest.counters | {"recorded": sum(calls.values())}
        manifest.start_ns = before.start_ns if selection.since is None else max(before.start_ns, selection.since)
        manifest.stop_ns = before.stop_ns if selection.until is None else min(before.stop_ns, selection.until)
        if selection.syscalls:
            recorded = before.configuration.get("events")
            manifest.configuration["events"] = sorted(
                name for name in selection.syscalls if not isinstance(recorded, list) or name in recorded
            )
        for step in STEPS:
            if selection.dropped.issuperset(step.tables):
                manifest.configuration.update(step.configuration)
        if BINARIES in self.wish.redact:
            manifest.configuration["save_binaries"] = False
        return manifest

    def _left_out(self) -> list[dict[str, Any]]:
        """Rows for ``losses``: calls outside the time, and tables that are not there."""
        selection, manifest = self.wish.selection, self.trace.manifest
        found: list[dict[str, Any]] = []
        for edge, sign in ((selection.since, "<"), (selection.until, ">=")):
            if edge is None:
                continue
            where = f"{selection.calls(at_all_times=True)} AND ts_ns {sign} {edge}"
            count, first, last = self.trace.sql(
                f"SELECT count(*), min(ts_ns), max(ts_ns) FROM syscalls WHERE {where}"  # noqa: S608 - literals
            ).fetchall()[0]
            if count:
                row = {"kind": _LEFT_OUT, "severity": "data_loss", "count": count, "remedy": _REMEDY}
                found.append(row | {"ts_ns": first, "until_ns": last})
        dropped = {table: entry.rows for table, entry in manifest.tables.items() if table in selection.dropped}
        if any(dropped.values()):
            found.append({"kind": _LEFT_OUT, "severity": "notice", "count": sum(dropped.values()), "remedy": _REMEDY})
        return found

    def _said(self) -> dict[str, Any]:
        """What was done, for the manifest."""
        selection = self.wish.selection
        return {
            "tool_version": VERSION,
            "redacted": sorted(self.wish.redact),
            "replaced": [
                {"table": f.table, "column": f.column, "class": f.name, "values": f.values}
                for f in self.redactor.findings
                if f.replaced
            ],
            "only": [
                text if not self.wish.redact & {"programs"} else _without_names(text)
                for text in selection.as_text(self.trace.manifest)
            ],
            "left_out": sorted(selection.dropped),
        }


def _without_names(text: str) -> str:
    kind, _, value = text.partition("=")
    return text if kind != "process" or whole_number(value) is not None else "process=NAME"


def _smaller(trace: Trace, pass_: _Pass, made: Shared, max_size: int, left_out: list[str]) -> Selection:
    """The selection of the next attempt: one step more, or fewer calls."""
    selection, manifest = pass_.wish.selection, pass_.manifest
    step = None if manifest is None else next_step(manifest, selection.dropped)
    if step is not None:
        left_out.append(step.what)
        return replace(selection, dropped=selection.dropped | set(step.tables))
    size = made.size or 0
    keep = int(made.calls * max_size / size * _MARGIN)
    if keep < 1:
        raise BpfrecError(f"it cannot be made as small as {max_size:,} bytes", "Choose less with --only.")
    rows = trace.sql(
        f"SELECT ts_ns FROM syscalls WHERE {selection.calls()} ORDER BY ts_ns DESC LIMIT 1 OFFSET {keep - 1}"  # noqa: S608 - literals
    ).fetchall()
    since = rows[0][0] if rows else trace.manifest.start_ns
    if selection.since is None or not left_out or not left_out[-1].startswith("calls before"):
        left_out.append("")
    left_out[-1] = f"calls before {(since - trace.manifest.start_ns) / 1e9:.3f} s"
    return replace(selection, since=since)

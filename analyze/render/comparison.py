"""Two traces side by side, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import Painter
from bpfrec.analyze.render.text_columns import Record, TextColumn, Word, duration, shortened, text_table
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.remote.uri import Uri
from bpfrec.formats.trace_reader import table_rows

_SECTIONS = {
    "ends": "How processes ended",
    "failures": "Failed calls",
    "programs": "Programs that were run",
    "files": "Files that were opened",
    "peers": "Peers and addresses",
    "calls": "System calls",
    "startup": "What the start of the first process took",
    "latency": "How long calls took (half of them at most)",
}


@dataclass(frozen=True)
class Side:
    """What the head of a comparison says of a trace."""

    file: str
    calls: int
    length_s: float
    host: str
    ended: str

    @classmethod
    def of(cls, path: Path | Uri, manifest: Manifest) -> Side:
        """What the manifest of the trace at ``path`` says."""
        length_s = (manifest.stop_ns - manifest.start_ns) / 1e9
        return cls(str(path), table_rows(manifest).get("syscalls", 0), length_s, manifest.host.name, manifest.stopped)


def comparison(
    sides: Sequence[Side], rows: Sequence[Record], top: int, width: int | None, paint: Painter | None = None
) -> Iterator[str]:
    """The lines of a comparison: both traces, then a table for each section; ``top``: rows of each, 0 for all."""
    head = [
        TextColumn("SIDE", "name"),
        TextColumn("CALLS", "calls"),
        TextColumn("LENGTH", lambda r: f"{r['side'].length_s:.3f} s"),
        TextColumn("HOST", lambda r: r["side"].host),
        TextColumn("ENDED BY", lambda r: shortened(r["side"].ended, None if width is None else 40)),
        TextColumn("TRACE", lambda r: r["side"].file),
    ]
    named = ({"name": name, "calls": side.calls, "side": side} for name, side in zip("AB", sides, strict=True))
    yield from text_table(head, named, width, paint)
    for section, of_it in groupby(rows, key=lambda r: r["section"]):
        held = list(of_it)
        yield ""
        yield f"{_SECTIONS[section]}:"
        shown = held[: top or len(held)]
        yield from text_table(_columns(section), shown, width, paint)
        if len(held) > len(shown):
            yield printable(f"... and {len(held) - len(shown):,} more")


def _columns(section: str) -> list[TextColumn]:
    if section in ("startup", "latency"):
        sides = [TextColumn(side, duration(f"{side.lower()}_ns")) for side in "AB"]
    else:
        sides = [TextColumn(side, f"{side.lower()}_calls") for side in "AB"]
    return [*sides, TextColumn("CHANGE", _change), TextColumn("WHAT", "what")]


def _change(row: Record) -> object:
    ratio = row["ratio"]
    if ratio is None:
        value = "ns" if row["section"] == "startup" else "calls"
        return Word("only A" if row[f"a_{value}"] else "only B")
    return Word(f"x {ratio:.3g}" if ratio >= 1 else f"/ {1 / ratio:.3g}" if ratio else "-")

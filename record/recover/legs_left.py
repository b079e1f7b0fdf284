"""What the journals in a working folder say: one, or one for each leg of a recording whose last part was kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bpfrec.record.journal import Kept, read_journal
from bpfrec.record.session.working_folder import SpoolKind, legs_in, spool_in


@dataclass(frozen=True)
class Left:
    """``kept``: what the journals say together. ``legs``: the numbers of the legs that a trace can be made of.

    ``marked``: that of the leg in which the last mark is.
    """

    kept: Kept
    legs: list[int]
    marked: int

    def after_mark(self, folder: Path, most: int) -> bytes:
        """The calls spooled after the last mark, at most ``most`` bytes of each leg."""
        mark = self.kept.mark
        later = b""
        for leg in self.legs:
            if mark is None or leg < self.marked:
                continue
            with spool_in(folder, SpoolKind.CALLS, leg).open("rb") as file:
                file.seek(mark.bytes.get(SpoolKind.CALLS, 0) if leg == self.marked else 0)
                later += file.read(most)
        return later


def read_left(folder: Path) -> Left:
    """Reads the journals in ``folder``; a leg that says not all that a trace begins with only goes on from others.

    Raises:
        OSError: one cannot be read.
    """
    kept = {leg: read_journal(spool_in(folder, SpoolKind.JOURNAL, leg)) for leg in legs_in(folder)}
    begun = [leg for leg in kept if kept[leg].attached is not None]
    if not begun:
        return Left(next(iter(kept.values()), Kept()), list(kept)[:1], 0)
    ready = [leg for leg in begun if kept[leg].ready is not None]
    legs = [leg for leg in begun if leg >= min(ready, default=begun[0])]
    whole, marked = kept[legs[0]], legs[0]
    for leg in legs[1:]:
        whole.started += kept[leg].started
        whole.ended = kept[leg].ended
        if kept[leg].mark is not None:
            whole.mark, whole.unsent, marked = kept[leg].mark, kept[leg].unsent, leg
    return Left(whole, legs, marked)

"""Captures: user memory that was copied with calls. There is one entry for each thing that an argument points at."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.columns import Table
from bpfrec.formats.kernel.captures import ELEMENTS, NARROW, STRUCTS, narrow
from bpfrec.record.decode.text import status

Integers = NDArray[np.int64]

KINDS = (
    *("", "path", "timespec", "sockaddr", "strings", "environment", "string", "data"),
    *ELEMENTS,
    *STRUCTS,
    *map(narrow, NARROW),
)
"""What an argument can point at. Arrays hold the index into this tuple; '' stands for what is not copied."""

_PATH = KINDS.index("path")
_FEWEST, _CONTENTS = KINDS.index("timespec"), KINDS.index("data")
_LOST = -(1 << 15) - 1


@dataclass
class SideRows:
    """Rows for ``table`` without event_id; ``calls``: for each row the index of its call in the batch, int64.

    ``is_environment``: the rows are variables of an environment, and not arguments.
    """

    table: Table
    rows: pa.Table
    calls: Integers
    is_environment: bool = False


@dataclass
class Captures:
    """Copied user memory, as columns of one element per capture.

    ``call``: index of the call; ``arg``: the argument (0-5) that points at it; ``part``: 0 for the memory itself, else
    what it points at in turn, as :data:`bpfrec.bpf.wire.NAME`; ``kind``: index into :data:`KINDS`; ``at``: where the
    copy starts, in bytes from the start of the batch; ``captured``: bytes copied, -errno where reading failed, a lower
    number where the copy found no room; ``cut``: there was more than was copied; ``at_exit``: copied when the call
    returned, and not when it began.
    """

    call: Integers
    arg: NDArray[np.int8]
    part: NDArray[np.uint8]
    kind: NDArray[np.int8]
    at: Integers
    captured: Integers
    cut: NDArray[np.bool_]
    at_exit: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> Captures:
        """Returns those that are ``chosen``: a mask of one bool per capture."""
        return Captures(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def of_kind(self, *kinds: str) -> Captures:
        """Returns those of these :data:`KINDS`, without what they point at in turn."""
        codes = [KINDS.index(kind) for kind in kinds]
        chosen = self.kind == codes[0] if len(codes) == 1 else np.isin(self.kind, codes)
        return self.where(chosen & (self.part == 0))

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Which were copied and then found no room, as a mask."""
        lost: NDArray[np.bool_] = self.captured == _LOST
        return lost

    def status(self) -> pa.Array:
        """Returns why each is not whole, as an Arrow dictionary array; NULL where it is whole."""
        return status([(self.lost, "lost"), (self.captured < 0, "unreadable"), (self.cut, "truncated")], len(self.call))


def captures_of(records: wire.Records, first: NDArray[np.int8], kinds: NDArray[np.int8]) -> Captures:
    """Returns all captures of ``records`` except paths and NULL pointers; arguments as of ``capture_rows()``."""
    calls = records.calls
    inline = np.flatnonzero(first >= 0)
    inline_kind = kinds[inline, first[inline]]
    # Contents are copied only where that was asked for.
    wanted = (inline_kind >= _FEWEST) & ((inline_kind != _CONTENTS) | (calls.captured[inline] != 0))
    wanted |= (inline_kind == _CONTENTS) & ((calls.flags[inline] & wire.SPILLED) != 0)
    inline, inline_kind = inline[wanted], inline_kind[wanted]
    aside = np.flatnonzero(records.extras["kind"] == wire.KIND_DATA)
    extras = records.extras[aside]
    arg = (extras["arg"] & wire.ARG_BITS).astype(np.int8)
    owner = records.extra_owner[aside]
    known = arg < wire.ARGS
    aside_kind = np.where(known, kinds[owner, np.where(known, arg, 0)], 0)
    part = (extras["arg"] & ~np.uint8(wire.ARG_BITS)).astype(np.uint8)
    chosen = known & ((aside_kind >= _FEWEST) | (part == wire.CONTENTS))
    aside, extras, arg, owner, aside_kind, part = (
        array[chosen] for array in (aside, extras, arg, owner, aside_kind, part)
    )
    captured = calls.captured[inline].astype(np.int64)
    whole = np.ones(len(inline), bool)
    spilled = (calls.flags[inline] & wire.SPILLED) != 0
    if spilled.any():
        beside = np.unique(owner[(part == 0) & (arg == first[owner])])
        captured[spilled] = _LOST
        whole = ~spilled | ~np.isin(inline, beside)
    inline, inline_kind, captured = inline[whole], inline_kind[whole], captured[whole]
    found = Captures(
        call=np.concatenate([inline, owner]),
        arg=np.concatenate([first[inline], arg]),
        part=np.concatenate([np.zeros(len(inline), np.uint8), part]),
        kind=np.concatenate([inline_kind, aside_kind]),
        at=np.concatenate([calls.data_at[inline], records.extra_data[aside]]),
        captured=np.concatenate([captured, extras["captured"].astype(np.int64)]),
        cut=np.concatenate([(calls.flags[inline] & wire.INLINE_CUT) != 0, (extras["flags"] & wire.CUT) != 0]),
        at_exit=np.concatenate([np.zeros(len(inline), bool), (extras["flags"] & wire.AT_EXIT) != 0]),
    )
    return found.where(calls.pointers(found.call, found.arg) != 0)


def bytes_of(records: wire.Records, captures: Captures) -> list[bytes]:
    """Returns the bytes of each capture, b"" for one that could not be read."""
    data = records.data.data
    ends = captures.at + np.maximum(captures.captured, 0)
    return [bytes(data[start:end]) for start, end in zip(captures.at.tolist(), ends.tolist(), strict=True)]

"""Where the frames of a flame graph are: a tree of call stacks, as wide as what they come to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfrec.analyze.flame.frame import Frame, Kind
from bpfrec.analyze.flame.weights import MeasuredStacks, Numbers


@dataclass
class Flame:
    """The nodes of the tree, those nearer to the root first; node 0 is the root, which stands for all.

    ``frames``: the functions; ``frame[i]``: which of them node i is; ``parent[i]``, ``depth[i]`` (the root's is 0);
    ``x[i]``: what stands left of it, ``value[i]``: how much it comes to, ``own[i]``: without its children, in ``unit``.
    ``hidden``: nodes left out, ``widest``: the value of the widest among them.
    """

    frames: list[Frame]
    frame: Numbers
    parent: Numbers
    depth: Numbers
    x: Numbers
    value: Numbers
    own: Numbers
    unit: str
    notes: list[str]
    hidden: int = 0
    widest: int = 0

    @property
    def total(self) -> int:
        """What all comes to."""
        return int(self.value[0])


def flame_of(stacks: MeasuredStacks) -> Flame:
    """The tree of ``stacks``; siblings stand in the order of their names."""
    lengths = np.diff(stacks.starts)
    # One more than the frames: the root.
    base = len(stacks.frames) + 1
    node = np.zeros(len(lengths), dtype=np.int64)
    zero = np.zeros(1, dtype=np.int64)
    frame, parent, depth, value, x = (
        [zero + len(stacks.frames)],
        [zero - 1],
        [zero],
        [zero + stacks.values.sum()],
        [zero],
    )
    made, level = 1, 0
    active = np.flatnonzero(lengths > 0)
    while active.size:
        key = node[active] * base + stacks.places[stacks.starts[active] + level]
        keys, which = np.unique(key, return_inverse=True)
        worth = np.zeros(len(keys), dtype=np.int64)
        np.add.at(worth, which, stacks.values[active])
        above = keys // base
        frame.append(keys % base)
        parent.append(above)
        depth.append(np.full(len(keys), level + 1))
        value.append(worth)
        x.append(_left_of(above, worth, above - (made - len(x[-1])), x[-1]))
        node[active] = made + which
        made += len(keys)
        level += 1
        active = active[lengths[active] > level]
    own = np.zeros(made, dtype=np.int64)
    np.add.at(own, node, stacks.values)
    return Flame(
        frames=[*stacks.frames, Frame("all", Kind.ALL)],
        frame=np.concatenate(frame),
        parent=np.concatenate(parent),
        depth=np.concatenate(depth),
        x=np.concatenate(x),
        value=np.concatenate(value),
        own=own,
        unit=stacks.unit,
        notes=stacks.notes,
    )


def _left_of(parent: Numbers, value: Numbers, place: Numbers, parents_x: Numbers) -> Numbers:
    """x of the nodes of a level: siblings, which stand together, one after the other from their parent's x on."""
    before = np.cumsum(value) - value
    first = np.flatnonzero(np.diff(parent, prepend=-2))
    counts = np.diff(np.append(first, len(parent)))
    return parents_x[place] + before - np.repeat(before[first], counts)


def widest(flame: Flame, most: int, narrowest: float = 0.0) -> Flame:
    """The ``most`` widest nodes, as far as they are wider than the share ``narrowest`` (0 to 1) of all.

    A node is never wider than its parent, so that none is left without one.
    """
    order = np.lexsort((np.arange(len(flame.value)), -flame.value))
    wide = flame.value[order] >= max(narrowest * flame.total, 1)
    wide[0] = True
    kept = np.sort(order[wide][:most])
    if len(kept) == len(flame.value):
        return flame
    left = np.ones(len(flame.value), dtype=bool)
    left[kept] = False
    return Flame(
        flame.frames,
        flame.frame[kept],
        np.searchsorted(kept, flame.parent[kept], side="right") - 1,
        flame.depth[kept],
        flame.x[kept],
        flame.value[kept],
        flame.own[kept],
        flame.unit,
        flame.notes,
        int(left.sum()),
        int(flame.value[left].max()),
    )


def hidden_note(flame: Flame) -> str | None:
    """A line about what is left out; None where nothing is."""
    if not flame.hidden:
        return None
    share = 100 * flame.widest / flame.total
    return f"{flame.hidden} frames are too narrow to be drawn, the widest of them {share:.3f}% of all"

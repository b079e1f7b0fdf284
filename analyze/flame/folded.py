"""Folded stacks, as Brendan Gregg's stackcollapse programs write them and flamegraph.pl, inferno and others read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bpfrec.analyze.flame.layout import Flame
from bpfrec.analyze.flame.text import folded_name


def folded(flame: Flame) -> Iterator[str]:
    """A line for each call stack: its frames, outermost first, joined by ``;``, a space, its value (ns for times)."""
    names = [folded_name(frame) for frame in flame.frames]
    for node, stack in own_stacks(flame):
        yield f"{';'.join(names[place] for place in stack)} {flame.own[node]}"


def own_stacks(flame: Flame) -> Iterator[tuple[int, list[int]]]:
    """Every node that is more than its children, and the frames from the outermost to it, without the root.

    They come from left to right as in the picture.
    """
    frame, parent = flame.frame.tolist(), flame.parent.tolist()
    nodes = np.flatnonzero(flame.own)
    for node in nodes[np.lexsort((flame.depth[nodes], flame.x[nodes]))].tolist():
        stack, at = [], node
        while at > 0:
            stack.append(frame[at])
            at = parent[at]
        yield node, stack[::-1]

"""The colours of a flame graph: by kind of code, and compiled code by module."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bpfrec.analyze.flame.frame import Frame, Kind
from bpfrec.analyze.flame.layout import Flame

KIND_COLORS = {
    Kind.KERNEL: "#ef8a7b",
    Kind.JIT: "#8fd08a",
    Kind.GUESS: "#c9bfdf",
    Kind.THREAD: "#cdd3da",
    Kind.CALL: "#86b9ec",
    Kind.END: "#b5b5b5",
    Kind.ALL: "#dfe3e8",
}
MODULE_COLORS = ("#f4b266", "#f6d860", "#c3d86b", "#84d0c4", "#a9b8f0", "#e6a8cf", "#d9b38c")
OTHER_MODULES = "#e8ddc8"
"""All are light enough for dark letters."""


@dataclass(frozen=True)
class Palette:
    """``colors``: CSS colours; ``of_frames``: the place among them for each frame; ``legend``: place and meaning."""

    colors: list[str]
    of_frames: list[int]
    legend: list[tuple[int, str]]


def palette(flame: Flame) -> Palette:
    """The colours of what is drawn of ``flame``; the modules with most in them have their own."""
    weight: Counter[str] = Counter()
    drawn: set[Frame] = set()
    for place, value in zip(flame.frame.tolist(), flame.value.tolist(), strict=True):
        frame = flame.frames[place]
        drawn.add(frame)
        if frame.kind is Kind.NATIVE:
            weight[frame.module or ""] += value
    modules = sorted(weight, key=lambda module: (-weight[module], module))
    kinds = list(KIND_COLORS)
    colors = [*KIND_COLORS.values(), *MODULE_COLORS[: len(modules)]]
    of_module = {module: len(kinds) + i for i, module in enumerate(modules[: len(MODULE_COLORS)])}
    others = len(colors)
    if len(modules) > len(MODULE_COLORS):
        colors.append(OTHER_MODULES)

    def of(frame: Frame) -> int:
        if frame.kind is Kind.NATIVE:
            # What is not drawn has no colour of its own.
            return of_module.get(frame.module or "", min(others, len(colors) - 1))
        return kinds.index(frame.kind)

    present = {frame.kind for frame in drawn}
    legend = [(place, module or "no module") for module, place in of_module.items()]
    legend += [(others, f"{len(modules) - len(MODULE_COLORS)} other modules")] if len(colors) > others else []
    legend += [(i, kind.value) for i, kind in enumerate(kinds) if kind in present and kind is not Kind.ALL]
    return Palette(colors, [of(frame) for frame in flame.frames], legend)

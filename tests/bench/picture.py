"""From the table to a picture of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.patches
import matplotlib.ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report import BASE, Row

COLOURS = {
    "empty BPF pair": "#9aa0a6",
    "bpfrec --stacks off": "#7fb3e0",
    "bpfrec --stacks fp": "#4f94cd",
    "bpfrec": "#1f6fb4",
    "bpfrec -a": "#0b3d66",
    "bpftrace count": "#8c6bb1",
    "perf trace record": "#e08214",
    "bcc open_perf_buffer": "#5aae61",
    "strace": "#c0392b",
}
"""A tool has its colour in every picture."""

LABELS = {
    "read": "read 1 byte",
    "open-missing": "open, fails",
    "open-missing-deep": "open, fails,\n20 calls deep",
    "open-close": "open + close",
    "two-threads": "getppid,\ntwo threads",
    "gcc": "gcc\nbuilds a project",
    "git": "git\nreads a history",
    "find-tar": "find and tar\nread a tree",
}
"""Workloads as the picture names them, where it is not by their names."""

WIDTH_IN, DPI = 9.0, 100
_BAR_IN, _GAP_IN, _MARGIN_IN = 0.155, 0.16, 1.1
_LEGEND_COLUMNS = 4


def draw(rows: Sequence[Row], path: Path) -> None:
    """Bars of the ns added per system call, on a logarithmic scale; the suffix of ``path`` decides the format."""
    # Text stays text, and the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bpfrec", "font.size": 9})
    rows = [row for row in rows if row.tool != BASE]
    workloads = list(dict.fromkeys(row.workload for row in rows))
    height = len(rows) * _BAR_IN + len(workloads) * _GAP_IN + _MARGIN_IN
    figure = Figure(figsize=(WIDTH_IN, height), dpi=DPI, facecolor="white")
    left, right = 0.13, 0.985
    axes = figure.add_axes((left, 0.45 / height, right - left, 1 - _MARGIN_IN / height))
    _bars(axes, rows, workloads)
    tools = [tool for tool in COLOURS if any(row.tool == tool for row in rows)]
    handles = [mpl.patches.Patch(color=COLOURS[tool], label=tool) for tool in tools]
    # A legend is filled column by column; read it is in lines.
    handles = [handle for column in range(_LEGEND_COLUMNS) for handle in handles[column::_LEGEND_COLUMNS]]
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.005, 1 - 0.04 / height), frameon=False,
        ncols=_LEGEND_COLUMNS, columnspacing=2.2, handlelength=1.1, handleheight=0.8,
    )  # fmt: skip
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _bars(axes: Axes, rows: Sequence[Row], workloads: Sequence[str]) -> None:
    shown = [row.added_ns for row in rows if row.measurable]
    least, most = (min(shown), max(shown)) if shown else (1.0, 10.0)
    start = 10 ** math.floor(math.log10(least))
    y, middles = 0.0, []
    for workload in workloads:
        first = y
        for row in (row for row in rows if row.workload == workload):
            length = row.added_ns if row.measurable else start
            said = f"{row.added_ns:,.0f}" if row.measurable else "within the noise"
            axes.barh(y, length - start, left=start, height=_BAR_IN * 0.86, color=COLOURS[row.tool])
            axes.text(length * 1.06, y, said, va="center", ha="left", fontsize=8, color="#333333")
            y += _BAR_IN
        middles.append((first + y - _BAR_IN) / 2)
        y += _GAP_IN
    axes.set_xscale("log")
    axes.set_xlim(start, most * 2.2)
    axes.set_ylim(y - _GAP_IN, -_BAR_IN)
    axes.set_yticks(middles, [LABELS.get(workload, workload) for workload in workloads])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.set_xlabel("ns added per system call (logarithmic)", labelpad=2)
    axes.grid(axis="x", color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")

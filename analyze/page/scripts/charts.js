// The charts that uPlot draws: calls over time, and histograms of latencies.

import { color, element } from "./dom.js";
import { count, nanoseconds } from "./format.js";
import { onTheme } from "./theme.js";

// Draws into `place` again whenever its width or the theme changes. `make(width)` gives options and data of uPlot.
function kept(place, make) {
  let chart = null;
  let width = 0;
  const draw = () => {
    width = place.clientWidth;
    if (width === 0) return;
    if (chart) chart.destroy();
    chart = new uPlot(...make(width), place);
  };
  new ResizeObserver(() => {
    if (place.clientWidth !== width) draw();
  }).observe(place);
  onTheme(draw);
  draw();
  return { draw, get chart() { return chart; } };
}

function axis(more) {
  const line = { stroke: color("line"), width: 1 };
  return { stroke: color("muted"), grid: line, ticks: line, font: "11px system-ui", ...more };
}

// Calls and failures over the whole recording. `zoomed(from, to)`: a part was chosen with the mouse.
export function activityChart(place, activity, lengthNs, zoomed) {
  const at = activity.calls.map((_, i) => (i * activity.ns) / 1e9);
  const steps = uPlot.paths.stepped({ align: 1 });
  return kept(place, (width) => [
    {
      width,
      height: 110,
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false } },
      legend: { show: false },
      scales: { x: { time: false, range: [0, lengthNs / 1e9] }, y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
      axes: [
        axis({ size: 32, values: (_, ticks) => ticks.map((tick) => `${+tick.toFixed(6)} s`) }),
        axis({ size: 56, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : "")), space: 28 }),
      ],
      series: [
        {},
        { label: "calls", stroke: color("accent"), fill: color("fill"), width: 1, paths: steps, points: { show: false } },
        { label: "failed", stroke: color("bad"), fill: color("badfill"), width: 1, paths: steps, points: { show: false } },
      ],
      hooks: {
        setSelect: [
          (chart) => {
            if (chart.select.width < 3) return;
            const from = chart.posToVal(chart.select.left, "x") * 1e9;
            const to = chart.posToVal(chart.select.left + chart.select.width, "x") * 1e9;
            chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            zoomed(from, to);
          },
        ],
      },
    },
    [at, activity.calls, activity.failed],
  ]);
}

// Calls by how long they took, a bar for each power of two. `slots`: pairs of the lower end in ns and a number.
export function latencyChart(place, slots) {
  let current = slots;
  const filled = () => {
    const power = (ns) => (ns < 1 ? 0 : Math.round(Math.log2(ns)));
    const first = power(current[0][0]);
    const last = power(current[current.length - 1][0]);
    const numbers = new Map(current.map(([ns, number]) => [power(ns), number]));
    const powers = Array.from({ length: last - first + 3 }, (_, i) => first - 1 + i);
    return [powers, powers.map((i) => numbers.get(i) ?? 0)];
  };
  const view = kept(place, (width) => [
    {
      width,
      height: 220,
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      legend: { show: false },
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(high, 1) * 1.05] } },
      axes: [
        axis({ size: 32, incrs: [1, 2, 3, 5, 10], space: 64, values: (_, ticks) => ticks.map((tick) => nanoseconds(2 ** tick)) }),
        axis({ size: 64, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : "")) }),
      ],
      series: [
        {},
        {
          label: "calls",
          stroke: color("accent"),
          fill: color("fill"),
          width: 1,
          paths: uPlot.paths.bars({ size: [0.92, 80], align: 1 }),
          points: { show: false },
        },
      ],
    },
    filled(),
  ]);
  return (next) => {
    current = next;
    view.draw();
  };
}

export function legend(items) {
  return element(
    "ul",
    { class: "legend" },
    ...items.map(([name, text]) => {
      const mark = element("span", { class: "mark", "aria-hidden": "true" });
      mark.style.background = name.startsWith("#") ? name : `var(--${name})`;
      return element("li", {}, mark, text);
    }),
  );
}


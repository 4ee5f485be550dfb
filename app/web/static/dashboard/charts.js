// Charts in the page's own colours, as wide as their boxes, drawn anew when light turns to dark.

import uPlot from "../vendor/uPlot.esm.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** A chart in a box; `describe` gives uPlot's options by the colours. Returns what sets its data. */
export function chart(box, describe, first) {
  let data = first;
  let plot = null;

  function draw() {
    plot?.destroy();
    const size = { width: Math.max(box.clientWidth, 60), height: Math.max(box.clientHeight, 60) };
    const quiet = { legend: { show: false }, cursor: { show: false } };
    plot = new uPlot({ ...size, ...quiet, ...describe(colour) }, data, box);
  }

  function fit() {
    if (box.clientWidth && plot.width !== box.clientWidth) {
      plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }
  }

  draw();
  new ResizeObserver(fit).observe(box);
  dark.addEventListener("change", draw);
  return (next) => { data = next; plot.setData(data); };
}

/** An axis whose values `name` puts into words. */
export function axis(colour, name, more = {}) {
  return {
    stroke: colour("--faint"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    values: (_, values) => values.map(name),
    ...more,
  };
}

/** A colour by its name, with an alpha in 0..1. */
function colour(name, alpha = 1) {
  const solid = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return alpha === 1 ? solid : `color-mix(in srgb, ${solid} ${100 * alpha}%, transparent)`;
}

// Draws charts in the page's colors, as wide as their boxes; redraws them when the color scheme changes.

import uPlot from "../vendor/uPlot.esm.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Create a chart in a box; `describe` returns uPlot's options, given the colors. Return the function that sets its data. */
export function chart(box, describe, initialData) {
  let data = initialData;
  let plot = null;

  function draw() {
    plot?.destroy();
    const size = { width: Math.max(box.clientWidth, 60), height: Math.max(box.clientHeight, 60) };
    const hidden = { legend: { show: false }, cursor: { show: false } };
    plot = new uPlot({ ...size, ...hidden, ...describe(color) }, data, box);
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

/** Return an axis whose values `format` formats. */
export function axis(color, format, options = {}) {
  return {
    stroke: color("--faint"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    values: (_, values) => values.map(format),
    ...options,
  };
}

/** Return a color by its name, with an alpha in 0..1. */
function color(name, alpha = 1) {
  const solid = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return alpha === 1 ? solid : `color-mix(in srgb, ${solid} ${100 * alpha}%, transparent)`;
}

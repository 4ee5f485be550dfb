// Draws the confidence sequence of v2's win rate on discordant pairs as labels arrive.

import { number, percent, text } from "../messages.js";
import { axis, chart } from "./charts.js";
import { byId, setText } from "./dom.js";

let intervals = []; // intervals of one experiment, by labels
let experiment_id = null;
let redraw = null;

/** Create the chart. */
export function initWinRate() {
  redraw = chart(byId("win-rate-chart"), describe, [[], [], [], [], [], []]);
}

/** Add the current interval of an experiment; labels that were undone remove their intervals. */
export function showWinRate({ id, labels: { discordant: labels }, v2_win_rate: { low, high } }) {
  if (experiment_id !== id) intervals = [];
  experiment_id = id;
  intervals = [...intervals.filter((each) => each.labels < labels), { labels, low, high }];
  redraw(chartData());
  setText(byId("win-rate-text"), text("win_rate_now", { low: percent(low, 1), high: percent(high, 1), labels: number(labels) }));
}

/** Return uPlot's columns: dashed from no labels, when any rate was possible, to the first interval. */
function chartData() {
  const [first] = intervals;
  const start = first.labels > 0 ? [{ labels: 0, low: 0, high: 1 }] : [];
  const afterFirst = intervals.slice(1).map(() => null);
  const beforeFirst = start.map(() => null);
  return [
    [...start, ...intervals].map((each) => each.labels),
    [...start, first].map((each) => each.low).concat(afterFirst),
    [...start, first].map((each) => each.high).concat(afterFirst),
    beforeFirst.concat(intervals.map((each) => each.low)),
    beforeFirst.concat(intervals.map((each) => each.high)),
    [...start, ...intervals].map(() => 0.5),
  ];
}

function describe(color) {
  const bound = { width: 1.5, stroke: versionColors(color, 1), points: { show: false } };
  const observed = { ...bound, points: { size: 5, width: 1, fill: versionColors(color, 1) } };
  return {
    scales: { x: { time: false }, y: { range: [0, 1] } },
    axes: [
      axis(color, (labels) => (labels % 1 ? "" : number(labels)), { label: text("labels_axis"), size: 26, labelSize: 20, labelFont: "12px system-ui, sans-serif" }),
      axis(color, (share) => percent(share), { size: 52, splits: [0, 0.25, 0.5, 0.75, 1] }),
    ],
    series: [
      {},
      { ...bound, dash: [3, 4] },
      { ...bound, dash: [3, 4] },
      observed,
      observed,
      { stroke: color("--ink"), width: 1, dash: [4, 4], points: { show: false } },
    ],
    bands: [
      { series: [2, 1], fill: versionColors(color, 0.07) },
      { series: [4, 3], fill: versionColors(color, 0.2) },
    ],
  };
}

/** Return a gradient with v2's color above 50 % and v1's below. */
function versionColors(color, alpha) {
  return (plot) => {
    const [top, bottom] = [1, 0].map((share) => plot.valToPos(share, "y", true));
    const gradient = plot.ctx.createLinearGradient(0, top, 0, bottom);
    gradient.addColorStop(0.5, color("--v2", alpha));
    gradient.addColorStop(0.5, color("--v1", alpha));
    return gradient;
  };
}

// v2's share of wins: its interval as it closes in while labels arrive.

import { number, percent, text } from "../messages.js";
import { axis, chart } from "./charts.js";
import { at, say } from "./dom.js";

let looks = []; // of one experiment, by labels
let experiment_id = null;
let redraw = null;

/** Begin to draw. */
export function beginShare() {
  redraw = chart(at("share-chart"), describe, [[], [], [], [], [], []]);
}

/** One more look at an experiment; labels that were taken back take their looks along. */
export function showShare({ id, labels: { informative: labels }, v2_share_of_wins: { low, high } }) {
  if (experiment_id !== id) looks = [];
  experiment_id = id;
  looks = [...looks.filter((look) => look.labels < labels), { labels, low, high }];
  redraw(drawn());
  say(at("share-words"), text("share_now", { low: percent(low, 1), high: percent(high, 1), labels: number(labels) }));
}

/** Dashed up to the first look: from no label at all, when anything was possible. */
function drawn() {
  const [first] = looks;
  const start = first.labels > 0 ? [{ labels: 0, low: 0, high: 1 }] : [];
  const unseen = looks.slice(1).map(() => null);
  const seen = start.map(() => null);
  return [
    [...start, ...looks].map((look) => look.labels),
    [...start, first].map((look) => look.low).concat(unseen),
    [...start, first].map((look) => look.high).concat(unseen),
    seen.concat(looks.map((look) => look.low)),
    seen.concat(looks.map((look) => look.high)),
    [...start, ...looks].map(() => 0.5),
  ];
}

function describe(colour) {
  const end = { width: 1.5, stroke: sides(colour, 1), points: { show: false } };
  const seen = { ...end, points: { size: 5, width: 1, fill: sides(colour, 1) } };
  return {
    scales: { x: { time: false }, y: { range: [0, 1] } },
    axes: [
      axis(colour, (labels) => (labels % 1 ? "" : number(labels)), { label: text("labels_axis"), size: 26, labelSize: 20, labelFont: "12px system-ui, sans-serif" }),
      axis(colour, (share) => percent(share), { size: 52, splits: [0, 0.25, 0.5, 0.75, 1] }),
    ],
    series: [
      {},
      { ...end, dash: [3, 4] },
      { ...end, dash: [3, 4] },
      seen,
      seen,
      { stroke: colour("--ink"), width: 1, dash: [4, 4], points: { show: false } },
    ],
    bands: [
      { series: [2, 1], fill: sides(colour, 0.07) },
      { series: [4, 3], fill: sides(colour, 0.2) },
    ],
  };
}

/** v2's colour above the middle line, v1's below it. */
function sides(colour, alpha) {
  return (plot) => {
    const [top, bottom] = [1, 0].map((share) => plot.valToPos(share, "y", true));
    const gradient = plot.ctx.createLinearGradient(0, top, 0, bottom);
    gradient.addColorStop(0.5, colour("--v2", alpha));
    gradient.addColorStop(0.5, colour("--v1", alpha));
    return gradient;
  };
}

// Each version by the labels of the experiment: accuracy, confusion, calibration.

import { number, percent, text } from "../messages.js";
import { axis, chart } from "./charts.js";
import { at, fill, list, VERSIONS } from "./dom.js";

const FEWEST_LABELS = 5; // of a range that is drawn
const redraw = {};

/** Begin to draw. */
export function begin() {
  for (const version of VERSIONS) {
    redraw[version] = chart(at(version).querySelector(".calibration"), (colour) => ({
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      axes: [
        axis(colour, (share) => percent(share), { splits: [0, 0.25, 0.5, 0.75, 1], label: text("sure_axis"), size: 26, labelSize: 20, labelFont: "12px system-ui, sans-serif" }),
        axis(colour, (share) => percent(share), { size: 52, splits: [0, 0.5, 1] }),
      ],
      series: [
        {},
        { stroke: colour("--faint"), width: 1, dash: [4, 4], points: { show: false } },
        { stroke: colour(`--${version}`), width: 2, points: { show: true, size: 7, fill: colour(`--${version}`) } },
      ],
    }), [[0, 1], [0, 1], [null, null]]);
  }
}

/** What is known of both versions, as the report has it. */
export function showVersions(versions) {
  for (const version of VERSIONS) showVersion(version, versions[version]);
}

function showVersion(version, found) {
  const root = at(version);
  const { value, low, high } = found.accuracy;
  const interval = text("from_to", { low: percent(low, 1), high: percent(high, 1) });
  fill(root, {
    accuracy: value === null ? text("none") : percent(value, 1),
    "accuracy-interval": value === null ? text("no_labels") : text("accuracy_interval", { interval }),
    served: number(found.served),
    words: number(found.words),
    correct: number(found.correct),
    response: percent(found.response_rate, 1),
  });
  showAccuracy(root, found.accuracy);
  showConfusion(root, found.confusion_matrix);
  showCalibration(root, version, found.calibration);
}

function showAccuracy(root, { value, low, high }) {
  const least = Math.max(0, Math.floor(low * 20 - 1) / 20);
  const place = (share) => `${(100 * (share - least)) / (1 - least)}%`;
  const [interval, point] = root.querySelector(".accuracy").children;
  interval.style.left = place(low);
  interval.style.width = `calc(${place(high)} - ${place(low)})`;
  point.hidden = value === null;
  if (value !== null) point.style.left = place(value);
  fill(root, { least: percent(least) });
}

function showConfusion(root, matrix) {
  const rows = root.querySelectorAll(".confusion tbody tr");
  matrix.forEach((counts, shown) => {
    const all = counts.reduce((sum, count) => sum + count, 0);
    [...rows[shown].querySelectorAll("td")].forEach((cell, named) => {
      const count = counts[named];
      cell.style.setProperty("--share", all ? Math.sqrt(count / all) : 0);
      cell.textContent = count === 0 ? "" : count < 1 ? text("less_than_one") : number(count);
    });
  });
}

function showCalibration(root, version, parts) {
  const known = parts.filter((part) => part.labels > 0).sort((one, other) => one.confidence - other.confidence);
  const told = known.filter((part) => part.labels >= FEWEST_LABELS);
  const sure = [0, ...told.map((part) => part.confidence), 1];
  redraw[version]([sure, sure, [null, ...told.map((part) => part.accuracy), null]]);
  list(root.querySelector(".calibration-figures"), at("calibration-row"), known.map((part) => ({ id: part.low, ...part })), (row, part) => fill(row, {
    range: text("from_to", { low: percent(part.low), high: percent(part.high) }),
    labels: number(part.labels),
    confidence: percent(part.confidence, 1),
    accuracy: percent(part.accuracy, 1),
  }));
}

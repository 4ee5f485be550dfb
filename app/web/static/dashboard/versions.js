// Shows each version's metrics in the experiment: accuracy, confusion matrix, calibration.

import { number, percent, text } from "../messages.js";
import { axis, chart } from "./charts.js";
import { byId, fill, renderRows, VERSIONS } from "./dom.js";

const MIN_LABELS = 5; // of a bin that is drawn
const redraw = {};

/** Create the charts. */
export function init() {
  for (const version of VERSIONS) {
    redraw[version] = chart(byId(version).querySelector(".calibration"), (color) => ({
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      axes: [
        axis(color, (share) => percent(share), { splits: [0, 0.25, 0.5, 0.75, 1], label: text("confidence_axis"), size: 26, labelSize: 20, labelFont: "12px system-ui, sans-serif" }),
        axis(color, (share) => percent(share), { size: 52, splits: [0, 0.5, 1] }),
      ],
      series: [
        {},
        { stroke: color("--faint"), width: 1, dash: [4, 4], points: { show: false } },
        { stroke: color(`--${version}`), width: 2, points: { show: true, size: 7, fill: color(`--${version}`) } },
      ],
    }), [[0, 1], [0, 1], [null, null]]);
  }
}

/** Show the metrics of both versions, as the report has them. */
export function showVersions(versions) {
  for (const version of VERSIONS) showVersion(version, versions[version]);
}

function showVersion(version, found) {
  const root = byId(version);
  const { value, low, high } = found.accuracy;
  const interval = text("from_to", { low: percent(low, 1), high: percent(high, 1) });
  fill(root, {
    accuracy: value === null ? text("none") : percent(value, 1),
    "accuracy-interval": value === null ? text("no_labels") : text("accuracy_interval", { interval }),
    served: number(found.served),
    feedback: number(found.feedback_count),
    correct: number(found.correct),
    "feedback-rate": percent(found.response_rate, 1),
  });
  showAccuracy(root, found.accuracy);
  showConfusion(root, found.confusion_matrix);
  showCalibration(root, version, found.calibration);
}

function showAccuracy(root, { value, low, high }) {
  const min = Math.max(0, Math.floor(low * 20 - 1) / 20);
  const position = (share) => `${(100 * (share - min)) / (1 - min)}%`;
  const [interval, point] = root.querySelector(".accuracy").children;
  interval.style.left = position(low);
  interval.style.width = `calc(${position(high)} - ${position(low)})`;
  point.hidden = value === null;
  if (value !== null) point.style.left = position(value);
  fill(root, { min: percent(min), max: percent(1) });
}

function showConfusion(root, matrix) {
  const rows = root.querySelectorAll(".confusion tbody tr");
  matrix.forEach((counts, label) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    [...rows[label].querySelectorAll("td")].forEach((cell, predicted) => {
      const count = counts[predicted];
      cell.style.setProperty("--share", total ? Math.sqrt(count / total) : 0);
      cell.textContent = count === 0 ? "" : count < 1 ? text("less_than_one") : number(count);
    });
  });
}

function showCalibration(root, version, bins) {
  const known = bins.filter((bin) => bin.labels > 0).sort((one, other) => one.confidence - other.confidence);
  const drawn = known.filter((bin) => bin.labels >= MIN_LABELS);
  const confidences = [0, ...drawn.map((bin) => bin.confidence), 1];
  redraw[version]([confidences, confidences, [null, ...drawn.map((bin) => bin.accuracy), null]]);
  renderRows(root.querySelector(".calibration-values"), byId("calibration-row"), known.map((bin) => ({ id: bin.low, ...bin })), (row, bin) => fill(row, {
    range: text("from_to", { low: percent(bin.low), high: percent(bin.high) }),
    labels: number(bin.labels),
    confidence: percent(bin.confidence, 1),
    accuracy: percent(bin.accuracy, 1),
  }));
}

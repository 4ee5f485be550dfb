// Draws the class probabilities of both versions: v1's bars grow to the left, v2's to the right.

import { formatConfidence } from "./feedback_text.js";
import { text } from "./messages.js";

const VERSIONS = ["v1", "v2"];
const DIGITS = [...Array(10).keys()];

/**
 * Fill a table body with ten rows. `predictions` are by version; the side of a version without one
 * shows the text `missing`.
 */
export function drawBars(body, predictions, missing) {
  body.replaceChildren(...DIGITS.map((digit) => createRow(digit, predictions, missing)));
}

function createRow(digit, predictions, missing) {
  const row = document.createElement("tr");
  const header = document.createElement("th");
  header.scope = "row";
  header.textContent = digit;
  const [left, right] = VERSIONS.map((version) => createCell(version, digit, predictions[version], missing));
  row.append(...[left, header, right].filter(Boolean));
  return row;
}

function createCell(version, digit, prediction, missing) {
  if (!prediction) return digit === 0 ? createMissingCell(version, missing) : null; // one cell for all rows
  const probability = prediction.probabilidades[digit];
  const cell = document.createElement("td");
  cell.className = version;
  cell.classList.toggle("predicted", digit === prediction.prediccion);
  cell.dataset.probability = probability;
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.style.setProperty("--probability", probability);
  const value = document.createElement("span");
  value.className = "value";
  value.textContent = formatConfidence(probability);
  const content = document.createElement("div");
  content.append(bar, value);
  cell.append(content);
  return cell;
}

function createMissingCell(version, missing) {
  const cell = document.createElement("td");
  cell.className = `${version} missing`;
  cell.rowSpan = DIGITS.length;
  cell.textContent = text(missing, { version });
  return cell;
}

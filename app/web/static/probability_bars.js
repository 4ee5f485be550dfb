// How sure each version is of each digit: v1's bars grow to the left, v2's to the right.

import { text } from "./messages.js";
import { sureness } from "./feedback_text.js";

const VERSIONS = ["v1", "v2"];
const DIGITS = [...Array(10).keys()];

/**
 * Fill a table's body with ten rows. `readings` are answers by version; where one is missing, its
 * side is closed and says `missing`.
 */
export function drawBars(body, readings, missing) {
  body.replaceChildren(...DIGITS.map((digit) => row(digit, readings, missing)));
}

function row(digit, readings, missing) {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = digit;
  const [left, right] = VERSIONS.map((version) => side(version, digit, readings[version], missing));
  line.append(...[left, name, right].filter(Boolean));
  return line;
}

function side(version, digit, reading, missing) {
  if (!reading) return digit === 0 ? closed(version, missing) : null; // one cell for all rows
  const share = reading.probabilidades[digit];
  const cell = document.createElement("td");
  cell.className = version;
  cell.classList.toggle("named", digit === reading.prediccion);
  cell.dataset.share = share;
  const bar = document.createElement("span");
  bar.className = "bar";
  bar.style.setProperty("--share", share);
  const figure = document.createElement("span");
  figure.className = "share";
  figure.textContent = sureness(share);
  const reach = document.createElement("div");
  reach.append(bar, figure);
  cell.append(reach);
  return cell;
}

function closed(version, missing) {
  const cell = document.createElement("td");
  cell.className = `${version} closed`;
  cell.rowSpan = DIGITS.length;
  cell.textContent = text(missing, { version });
  return cell;
}

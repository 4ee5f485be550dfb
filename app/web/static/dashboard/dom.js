// Writes values into the page without rebuilding what has the focus.

import { formatDateTime, text } from "../messages.js";

export const VERSIONS = ["v1", "v2"];

/** Return the element with an id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Set an element's text, if it differs. */
export function setText(element, value) {
  const wanted = String(value ?? "");
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set the texts of the elements in `root` that are marked data-field, by name. */
export function fill(root, values) {
  for (const [name, value] of Object.entries(values)) {
    setText(root.querySelector(`[data-field="${name}"]`), value);
  }
}

/** Render `items` as rows made from a template, one for each id; rows that stay are kept. */
export function renderRows(body, template, items, write) {
  const known = new Map([...body.children].map((row) => [row.dataset.id, row]));
  const wanted = items.map((item) => {
    const row = known.get(String(item.id)) ?? createRow(template, item.id);
    write(row, item);
    return row;
  });
  wanted.forEach((row, index) => {
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
  });
  while (body.children.length > wanted.length) body.lastElementChild.remove();
}

function createRow(template, id) {
  const row = template.content.firstElementChild.cloneNode(true);
  row.dataset.id = id;
  return row;
}

/** Format a difference of shares in percentage points, with its sign. */
export function formatPoints(share) {
  const language = document.documentElement.lang;
  return (100 * share).toLocaleString(language, { maximumFractionDigits: 2, signDisplay: "exceptZero" });
}

/** Format a time, or return a dash for none. */
export function formatTime(iso) {
  return iso ? formatDateTime(iso) : text("none");
}

/** Return a model's name with the beginning of its hash. */
export function modelName(model) {
  return text("model_name", { name: model.name, hash: model.hash.slice(0, 8) });
}

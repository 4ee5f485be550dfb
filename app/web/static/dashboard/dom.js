// Writing figures into the page without rebuilding what has the focus.

import { moment, text } from "../messages.js";

export const VERSIONS = ["v1", "v2"];

/** The element with an id. */
export function at(id) {
  return document.getElementById(id);
}

/** Put words into an element, if it says something else. */
export function say(element, words) {
  const wanted = String(words ?? "");
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Put words into the parts of `root` that are marked data-field, by name. */
export function fill(root, words) {
  for (const [name, value] of Object.entries(words)) {
    say(root.querySelector(`[data-field="${name}"]`), value);
  }
}

/** Show `items` as rows made from a template, one for each id; rows that stay are kept. */
export function list(body, template, items, write) {
  const known = new Map([...body.children].map((row) => [row.dataset.id, row]));
  const wanted = items.map((item) => {
    const row = known.get(String(item.id)) ?? fresh(template, item.id);
    write(row, item);
    return row;
  });
  wanted.forEach((row, index) => {
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
  });
  while (body.children.length > wanted.length) body.lastElementChild.remove();
}

function fresh(template, id) {
  const row = template.content.firstElementChild.cloneNode(true);
  row.dataset.id = id;
  return row;
}

/** A difference of shares as percentage points, with its sign. */
export function points(share) {
  const language = document.documentElement.lang;
  return (100 * share).toLocaleString(language, { maximumFractionDigits: 2, signDisplay: "exceptZero" });
}

/** When, or a dash. */
export function when(iso) {
  return iso ? moment(iso) : text("none");
}

/** A model by its name and the beginning of its hash. */
export function named(model) {
  return text("serves_model", { name: model.name, hash: model.hash.slice(0, 8) });
}

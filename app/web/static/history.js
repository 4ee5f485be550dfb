// One's own predictions, the newest first; each image is fetched when it comes into view.

import { forgetImage, imageOf } from "./images.js";
import { named } from "./digit_names.js";
import { tell, text } from "./messages.js";
import { ApiError, call } from "./session.js";
import { askFirst } from "./confirm_button.js";
import { told } from "./feedback_text.js";

const PAGE = 12;

const list = document.getElementById("entries");
const none = document.getElementById("no-entries");
const moreButton = document.getElementById("more");
const template = document.getElementById("entry");
const items = new Map(); // by prediction_id

let before = null; // where the next page begins
let handlers = { open: () => {}, erased: () => {} };

const inView = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    imageOf(target.dataset.predictionId).then((url) => { target.src = url; }, () => {});
  }
}, { rootMargin: "100px" });

/** Have `open` called with an entry to be looked at, `erased` with the id of one that is gone. */
export function onEntries(given) {
  handlers = given;
}

moreButton.addEventListener("click", async () => {
  const { lastElementChild } = list;
  await fetchPage(`&before=${before}`).catch((refused) => tell(refused.message, "error"));
  if (moreButton.hidden) lastElementChild.nextElementSibling?.querySelector(".open").focus();
});

/** Read the newest again: what is new is added, what is known is brought up to date. */
export async function refreshHistory() {
  await fetchPage("").catch((refused) => tell(refused.message, "error"));
}

/** Forget all that is shown. */
export function clearHistory() {
  for (const predictionId of [...items.keys()]) take(predictionId);
  before = null;
  moreButton.hidden = true;
}

/** Add a prediction that was just made, or show what has changed on one. */
export function put(entry) {
  const known = items.get(entry.prediction_id);
  if (known) Object.assign(known.entry, entry);
  else items.set(entry.prediction_id, make(entry));
  const item = items.get(entry.prediction_id);
  if (!known) list.insertBefore(item.element, follower(entry));
  none.hidden = true;
  fill(item);
}

/** A reviewer has named what a prediction's picture shows. */
export function setReviewed(predictionId, word) {
  const item = items.get(predictionId);
  if (!item) return;
  item.reviewed = word;
  fill(item);
}

async function fetchPage(from) {
  const page = await call("GET", `/predictions?limit=${PAGE}${from}`);
  const isFirst = items.size === 0;
  page.predictions.forEach(put);
  none.hidden = items.size > 0;
  if (!isFirst && !from) return; // older pages stay as they are
  before = page.before;
  moreButton.hidden = before === null;
}

// Ids grow with time: an entry stands before the first that is older.
function follower({ prediction_id }) {
  return [...list.children].find((element) => element.dataset.predictionId < prediction_id) ?? null;
}

function make(entry) {
  const element = template.content.firstElementChild.cloneNode(true);
  element.dataset.predictionId = entry.prediction_id;
  const item = { entry, element, reviewed: null };
  const image = element.querySelector("img");
  image.dataset.predictionId = entry.prediction_id;
  inView.observe(image);
  element.querySelector(".open").addEventListener("click", () => handlers.open(item.entry));
  askFirst(element.querySelector(".delete"), text("delete_sure"), () => erase(entry.prediction_id));
  return item;
}

function fill({ entry, element, reviewed }) {
  const part = (name) => element.querySelector(`.${name}`);
  part("glyph").textContent = entry.prediccion;
  part("glyph").className = `glyph ${entry.version}`;
  part("version").textContent = entry.version;
  part("version").className = `version ${entry.version}`;
  part("when").textContent = when(entry.created_at);
  part("when").dateTime = entry.created_at;
  part("word").textContent = told(entry.feedback);
  part("word").classList.toggle("good", entry.feedback?.correct === true);
  part("word").classList.toggle("bad", entry.feedback?.correct === false);
  part("reviewed").textContent = reviewed ? text("reviewer_says", { label: named(reviewed) }) : "";
  part("delete").setAttribute("aria-describedby", `when-${entry.prediction_id}`);
  part("when").id = `when-${entry.prediction_id}`;
}

function when(iso) {
  const parts = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  return new Date(iso).toLocaleString(document.documentElement.lang, parts);
}

async function erase(predictionId) {
  try {
    await call("DELETE", `/predictions/${predictionId}`);
  } catch (refused) {
    if (!(refused instanceof ApiError) || refused.status !== 404) throw refused;
  }
  const next = items.get(predictionId).element.nextElementSibling;
  take(predictionId);
  (next?.querySelector(".open") ?? document.getElementById("entries-title")).focus();
  handlers.erased(predictionId);
  tell(text("erased"));
}

function take(predictionId) {
  items.get(predictionId).element.remove();
  items.delete(predictionId);
  forgetImage(predictionId);
  none.hidden = items.size > 0;
}

// Lists one's own predictions, newest first; each image is fetched when it comes into view.

import { requireConfirmation } from "./confirm_button.js";
import { digitName } from "./digit_names.js";
import { feedbackText } from "./feedback_text.js";
import { getImageUrl, releaseImage } from "./images.js";
import { showToast, text } from "./messages.js";
import { ApiError, call } from "./session.js";

const PAGE_SIZE = 12;

const list = document.getElementById("entries");
const emptyText = document.getElementById("no-entries");
const showOlder = document.getElementById("show-older");
const template = document.getElementById("entry");
const items = new Map(); // by prediction_id

let before = null; // cursor of the next page
let handlers = { open: () => {}, deleted: () => {} };

const inView = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    getImageUrl(target.dataset.predictionId).then((url) => { target.src = url; }, () => {});
  }
}, { rootMargin: "100px" });

/** Call `open` with an entry that is to be shown, `deleted` with the id of one that was deleted. */
export function setHandlers(given) {
  handlers = given;
}

showOlder.addEventListener("click", async () => {
  const { lastElementChild } = list;
  await fetchPage(`&before=${before}`).catch((error) => showToast(error.message, "error"));
  if (showOlder.hidden) lastElementChild.nextElementSibling?.querySelector(".open").focus();
});

/** Fetch the newest page again: add new entries, update known ones. */
export async function refreshHistory() {
  await fetchPage("").catch((error) => showToast(error.message, "error"));
}

/** Remove all entries from the page. */
export function clearHistory() {
  for (const predictionId of [...items.keys()]) remove(predictionId);
  before = null;
  showOlder.hidden = true;
}

/** Add a prediction, or update it if it is listed. */
export function addOrUpdate(entry) {
  const known = items.get(entry.prediction_id);
  if (known) Object.assign(known.entry, entry);
  else items.set(entry.prediction_id, createItem(entry));
  const item = items.get(entry.prediction_id);
  if (!known) list.insertBefore(item.element, findOlder(entry));
  emptyText.hidden = true;
  render(item);
}

/** Show the label that a reviewer gave to a prediction's image. */
export function setReviewLabel(predictionId, label) {
  const item = items.get(predictionId);
  if (!item) return;
  item.reviewLabel = label;
  render(item);
}

async function fetchPage(cursor) {
  const page = await call("GET", `/predictions?limit=${PAGE_SIZE}${cursor}`);
  const isFirst = items.size === 0;
  page.predictions.forEach(addOrUpdate);
  emptyText.hidden = items.size > 0;
  if (!isFirst && !cursor) return; // older pages stay as they are
  before = page.next_before;
  showOlder.hidden = before === null;
}

// Ids grow with time: an entry is placed before the first older one.
function findOlder({ prediction_id }) {
  return [...list.children].find((element) => element.dataset.predictionId < prediction_id) ?? null;
}

function createItem(entry) {
  const element = template.content.firstElementChild.cloneNode(true);
  element.dataset.predictionId = entry.prediction_id;
  const item = { entry, element, reviewLabel: null };
  const image = element.querySelector("img");
  image.dataset.predictionId = entry.prediction_id;
  inView.observe(image);
  element.querySelector(".open").addEventListener("click", () => handlers.open(item.entry));
  requireConfirmation(element.querySelector(".delete"), text("confirm_delete"), () => deleteEntry(entry.prediction_id));
  return item;
}

function render({ entry, element, reviewLabel }) {
  const part = (name) => element.querySelector(`.${name}`);
  part("glyph").textContent = entry.prediccion;
  part("glyph").className = `glyph ${entry.version}`;
  part("version").textContent = entry.version;
  part("version").className = `version ${entry.version}`;
  part("time").textContent = formatTime(entry.created_at);
  part("time").dateTime = entry.created_at;
  part("feedback-text").textContent = feedbackText(entry.feedback);
  part("feedback-text").classList.toggle("good", entry.feedback?.correct === true);
  part("feedback-text").classList.toggle("bad", entry.feedback?.correct === false);
  part("review-label").textContent = reviewLabel ? text("reviewer_label", { label: digitName(reviewLabel) }) : "";
  part("delete").setAttribute("aria-describedby", `time-${entry.prediction_id}`);
  part("time").id = `time-${entry.prediction_id}`;
}

function formatTime(iso) {
  const parts = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  return new Date(iso).toLocaleString(document.documentElement.lang, parts);
}

async function deleteEntry(predictionId) {
  try {
    await call("DELETE", `/predictions/${predictionId}`);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
  const next = items.get(predictionId).element.nextElementSibling;
  remove(predictionId);
  (next?.querySelector(".open") ?? document.getElementById("history-title")).focus();
  handlers.deleted(predictionId);
  showToast(text("image_deleted"));
}

function remove(predictionId) {
  items.get(predictionId).element.remove();
  items.delete(predictionId);
  releaseImage(predictionId);
  emptyText.hidden = items.size > 0;
}

// Runs blind labeling: one image after the other, as fast as a reviewer can press keys.

import { announce } from "./announcer.js";
import { digitName } from "./digit_names.js";
import { subscribe } from "./live.js";
import { requireLogin } from "./login.js";
import { number, showToast, text } from "./messages.js";
import { ApiError, call } from "./session.js";

const POLL_EVERY_MS = 5000;
const MINUTE_MS = 60_000;
const SHORTCUTS_KEY = "cifra-review-shortcuts";

const byId = (id) => document.getElementById(id);
const page = byId("page");

let item = null; // the image that is shown; null while the next one is fetched, or none is pending
let labels = []; // given since the page was opened: { item, label, at_ms }
let pending = 0;
let queue = Promise.resolve(); // requests are sent one after the other, in the order of the keys

function enqueue(request) {
  queue = queue.then(request).catch((error) => {
    if (!(error instanceof ApiError)) throw error;
    showToast(error.message, "error");
  });
}

async function fetchNext() {
  if (item !== null) return;
  const answer = await call("GET", "/admin/review");
  pending = answer.pending;
  byId("user-flagged").textContent = number(answer.user_flagged);
  item = answer.item;
  render();
  if (item === null) renderEmptyQueue();
}

function giveLabel(label) {
  if (item === null) return;
  const given = { item, label, at_ms: Date.now() };
  item = null; // on to the next at once; the label is removed again if the server refuses it
  labels.push(given);
  pending -= isSkip(label) ? 0 : 1;
  flash(given);
  render();
  enqueue(async () => {
    await sendLabel(given);
    await fetchNext();
  });
}

async function sendLabel(given) {
  try {
    await call("POST", `/admin/review/${given.item.prediction_id}`, { json: given.label });
  } catch (error) {
    labels = labels.filter((each) => each !== given);
    const isLost = error.status === 404 || error.status === 409;
    if (isLost) showToast(text("no_longer_assigned"));
    else item = given.item;
    render();
    if (!isLost) throw error;
    return;
  }
  announce(text("label_saved", { label: labelName(given.label), pending: number(pending) }));
}

function undo() {
  enqueue(async () => {
    const last = labels.at(-1);
    if (!last) return;
    try {
      await call("DELETE", `/admin/review/${last.item.prediction_id}`);
      showToast(text("label_undone", { label: labelName(last.label) }));
    } catch (error) {
      if (error.status !== 409) throw error;
      showToast(text("undo_refused"), "error");
    }
    labels.pop();
    if (!isSkip(last.label)) pending += 1;
    render();
    await fetchNext();
  });
}

const isSkip = (label) => label.skip === true;
const labelName = (label) => (isSkip(label) ? text("skipped") : digitName(label));

function render() {
  byId("frame").dataset.state = item === null ? "saving" : "ready";
  if (item !== null) byId("image").src = item.image;
  byId("pending").textContent = number(Math.max(0, pending));
  renderProgress();
}

function renderEmptyQueue() {
  const message = text(pending > 0 ? "none_for_you" : "queue_empty");
  if (byId("frame").dataset.state !== "empty") announce(message);
  byId("frame").dataset.state = "empty";
  byId("queue-empty-text").textContent = message;
}

function renderProgress() {
  const given = labels.filter(({ label }) => !isSkip(label));
  byId("labeled").textContent = number(given.length);
  byId("labels-per-minute").textContent = number(given.filter(({ at_ms }) => at_ms > Date.now() - MINUTE_MS).length);
  const last = labels.at(-1);
  byId("last-label").hidden = !last;
  if (!last) return;
  byId("last-image").src = last.item.image;
  byId("last-label-text").textContent = labelName(last.label);
}

function flash({ label }) {
  const mark = byId("label-flash");
  mark.textContent = isSkip(label) ? "→" : label.not_a_digit ? "∅" : label.digit;
  mark.animate([{ opacity: 0.9, scale: 1.15 }, { opacity: 0, scale: 1 }], { duration: 420, easing: "ease-out" });
}

function handleKey(key) {
  if (key === "u") undo();
  else if (key === "n") giveLabel({ not_a_digit: true });
  else if (key === "s") giveLabel({ skip: true });
  else giveLabel({ digit: Number(key) });
}

for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => handleKey(button.dataset.key));
}

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (page.hidden || !byId("shortcuts").checked || event.repeat || !/^[0-9nsu]$/.test(key)) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  event.preventDefault();
  handleKey(key);
});

byId("shortcuts").checked = localStorage.getItem(SHORTCUTS_KEY) !== "off";
byId("shortcuts").addEventListener("change", ({ target }) => {
  localStorage.setItem(SHORTCUTS_KEY, target.checked ? "on" : "off");
});

// A page in the background fetches nothing: an image that it held would be kept from other reviewers.
function fetchIfVisible() {
  if (!page.hidden && !document.hidden && item === null) enqueue(fetchNext);
}

setInterval(renderProgress, 1000);
setInterval(fetchIfVisible, POLL_EVERY_MS);
document.addEventListener("visibilitychange", fetchIfVisible);

requireLogin(async () => {
  item = null;
  labels = [];
  enqueue(fetchNext);
  await queue;
  subscribe({ traffic: (event) => { if (event.pending_reviews > pending) fetchIfVisible(); } }, fetchIfVisible, () => {});
});

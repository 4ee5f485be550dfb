// The page where a digit is drawn or shown, read, and judged.

import { clearAnswer, onWord, showAnswer, shownId } from "./result.js";
import { open } from "./login.js";
import { fit, receive } from "./files.js";
import { clearHistory, onEntries, put, refreshHistory, setReviewed } from "./history.js";
import { named } from "./digit_names.js";
import { listen } from "./live.js";
import { tell, text } from "./messages.js";
import { call } from "./session.js";
import { Sheet } from "./canvas.js";
import { speak } from "./announcer.js";
import { askFirst } from "./confirm_button.js";

const room = document.getElementById("room");
const desk = document.getElementById("desk");
const answer = document.getElementById("answer");
const photo = document.getElementById("photo");
const refusal = document.getElementById("refusal");
const buttons = Object.fromEntries(
  ["read", "undo", "clear", "choose", "shoot", "next"].map((id) => [id, document.getElementById(id)]),
);
const files = { choose: document.getElementById("file"), shoot: document.getElementById("camera") };

const sheet = new Sheet(document.getElementById("sheet"), () => {
  refusal.textContent = "";
  settle();
});
let isReading = false;

/** What the page shows of the sheet: whether there is something to read, to undo, to clear. */
function settle() {
  if (!sheet.isEmpty) hidePhoto();
  desk.dataset.state = sheet.isFresh ? "inked" : sheet.isEmpty && photo.hidden ? "empty" : "read";
  buttons.read.disabled = isReading || !sheet.isFresh;
  buttons.undo.disabled = buttons.clear.disabled = sheet.isEmpty && photo.hidden;
}

async function readSheet() {
  if (!sheet.isFresh || isReading) return;
  if (await read(await sheet.picture())) sheet.setRead();
}

async function readFile(file) {
  if (room.hidden || isReading) return;
  sheet.clear();
  hidePhoto();
  const picture = await fit(file);
  if (picture === null) {
    refuse(text("too_large"));
    return;
  }
  await read(picture);
  showPhoto(picture);
}

/** Have a picture read by the version that is drawn; whether there is an answer. */
async function read(picture) {
  isReading = true;
  settle();
  refusal.textContent = "";
  const type = picture.type.startsWith("image/") ? picture.type : "image/unknown";
  try {
    const made = await call("POST", "/api/ab/predict", { body: picture, type });
    const entry = { ...made, created_at: new Date().toISOString(), feedback: null };
    put(entry);
    look(entry);
    return true;
  } catch (refused) {
    refuse(reason(refused));
    return false;
  } finally {
    isReading = false;
    settle();
  }
}

function reason({ status, problem, message }) {
  if (status === 413) return text("too_large");
  if (status === 415) return text("unreadable");
  if (status === 422 && problem.title === "No digit") return text("no_digit");
  if (status === 422 && problem.title === "Several digits") return text("several_digits");
  return status >= 500 ? text("broken") : message;
}

function refuse(words) {
  clearAnswer();
  refusal.textContent = words;
}

function look(entry) {
  showAnswer(entry);
  bringIntoView(answer);
}

function bringIntoView(element) {
  const { top } = element.getBoundingClientRect();
  const isSeen = top >= 0 && top < innerHeight / 2;
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (!isSeen) element.scrollIntoView({ block: "start", behavior });
}

function showPhoto(picture) {
  hidePhoto();
  photo.src = URL.createObjectURL(picture);
  photo.hidden = false;
  photo.addEventListener("error", hidePhoto, { once: true }); // a format that only the server knows
  settle();
}

function hidePhoto() {
  URL.revokeObjectURL(photo.src);
  photo.removeAttribute("src");
  photo.hidden = true;
}

function startAnew() {
  hidePhoto();
  sheet.clear();
  refusal.textContent = "";
}

function heard({ prediction_id, digit, not_a_digit }) {
  setReviewed(prediction_id, { digit, not_a_digit });
  tell(text("reviewed", { label: named({ digit, not_a_digit }) }));
}

buttons.read.addEventListener("click", readSheet);
buttons.undo.addEventListener("click", () => (photo.hidden ? sheet.undo() : startAnew()));
buttons.clear.addEventListener("click", startAnew);
buttons.next.addEventListener("click", () => {
  startAnew();
  clearAnswer();
  bringIntoView(desk);
  speak(text("next_ready"));
});
buttons.choose.addEventListener("click", () => files.choose.click());
buttons.shoot.addEventListener("click", () => files.shoot.click());
buttons.shoot.hidden = navigator.maxTouchPoints === 0; // a camera that can be held
receive(Object.values(files), readFile);

document.addEventListener("keydown", (event) => {
  if (room.hidden || event.target.closest("button, a, input, summary")) return;
  if (event.key === "Enter") readSheet();
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) sheet.undo();
});

onWord(put);
onEntries({ open: look, erased: (predictionId) => { if (predictionId === shownId()) clearAnswer(); } });
const farewell = document.getElementById("erase-me");
askFirst(farewell, text("erase_me_sure"), async () => {
  await call("DELETE", "/me");
  location.reload();
});

open(async () => {
  clearAnswer();
  clearHistory();
  startAnew();
  listen({ prediction: heard }, refreshHistory, () => {});
  await refreshHistory();
});

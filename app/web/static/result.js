// The answer: what was read and how surely, the word on it, then what the other version said.

import { drawBars } from "./probability_bars.js";
import { imageOf } from "./images.js";
import { tell, text } from "./messages.js";
import { call } from "./session.js";
import { speak } from "./announcer.js";
import { sureness, told } from "./feedback_text.js";

const card = document.getElementById("answer");
const find = (selector) => card.querySelector(selector);
const wordButtons = card.querySelectorAll("[data-word]");

let entry = null; // as GET /predictions/<id> gives it
let changed = () => {};
let isGiving = false;

/** Have `tellChanged` called with a prediction's entry when a word was given on it. */
export function onWord(tellChanged) {
  changed = tellChanged;
}

/** Show a prediction, made now or looked at again. */
export function showAnswer(shown) {
  entry = shown;
  card.dataset.state = "shown";
  find("#waiting").hidden = true;
  find("#shown").hidden = false;
  draw();
  showImage(entry.prediction_id);
  speak(text("spoken_answer", saying(entry)));
}

/** Show none. */
export function clearAnswer() {
  entry = null;
  card.dataset.state = "waiting";
  find("#waiting").hidden = false;
  find("#shown").hidden = true;
}

/** The id of the prediction that is shown, or null. */
export function shownId() {
  return entry && entry.prediction_id;
}

for (const button of wordButtons) button.addEventListener("click", () => give(button.dataset.word));

async function give(word) {
  if (isGiving) return;
  const said = { prediction_id: entry.prediction_id, replace: true };
  if (word === "right") said.correct = true;
  else if (word === "none") said.not_a_digit = true;
  else said.digit = Number(word);
  isGiving = true;
  try {
    await call("POST", "/feedback", { json: said });
    const kept = await call("GET", `/predictions/${said.prediction_id}`);
    changed(kept);
    if (shownId() !== said.prediction_id) return;
    entry = kept;
    draw();
    speak(entry.other ? text("spoken_other", saying(entry.other)) : text("thanks"));
  } catch (refused) {
    tell(refused.message, "error");
  } finally {
    isGiving = false;
  }
}

function draw() {
  face(find("#said"), entry);
  find("#other").hidden = !entry.other;
  if (entry.other) face(find("#other"), entry.other);
  find("#after").hidden = !entry.feedback;
  find("#thanks").textContent = `${told(entry.feedback)} ${text("thanks")}`;
  const given = chosen(entry);
  for (const button of wordButtons) button.setAttribute("aria-pressed", given.includes(button.dataset.word));
  const readings = { [entry.version]: entry };
  if (entry.other) readings[entry.other.version] = entry.other;
  drawBars(find("tbody"), readings, entry.feedback ? "did_not_read" : "after_your_word");
}

function face(element, reading) {
  element.className = `face ${reading.version}`;
  element.querySelector(".glyph").textContent = reading.prediccion;
  element.querySelector(".who-read").textContent = text(reading.version);
  element.querySelector(".sure").textContent = text("sure", { percent: sureness(reading.probabilidad) });
}

function chosen({ feedback }) {
  if (!feedback) return [];
  if (feedback.correct) return ["right"];
  return [feedback.not_a_digit ? "none" : String(feedback.digit)];
}

function saying(reading) {
  return {
    digit: reading.prediccion,
    version: text(reading.version),
    percent: sureness(reading.probabilidad),
  };
}

async function showImage(predictionId) {
  const image = find("#seen");
  image.removeAttribute("src");
  const url = await imageOf(predictionId).catch(() => null);
  if (url && shownId() === predictionId) image.src = url;
}

// Shows a prediction and its confidence, takes feedback on it, then shows the other version's prediction.

import { announce } from "./announcer.js";
import { feedbackText, formatConfidence } from "./feedback_text.js";
import { getImageUrl } from "./images.js";
import { showToast, text } from "./messages.js";
import { drawBars } from "./probability_bars.js";
import { call } from "./session.js";

const card = document.getElementById("result");
const find = (selector) => card.querySelector(selector);
const feedbackButtons = card.querySelectorAll("[data-feedback]");

let entry = null; // as GET /predictions/<id> returns it
let onChange = () => {};
let isSending = false;

/** Call `listener` with a prediction's entry after feedback on it was stored. */
export function onFeedback(listener) {
  onChange = listener;
}

/** Show a prediction, new or from the history. */
export function showResult(shown) {
  entry = shown;
  card.dataset.state = "shown";
  find("#result-intro").hidden = true;
  find("#result-details").hidden = false;
  render();
  showImage(entry.prediction_id);
  announce(text("announced_prediction", describe(entry)));
}

/** Show no prediction. */
export function clearResult() {
  entry = null;
  card.dataset.state = "empty";
  find("#result-intro").hidden = false;
  find("#result-details").hidden = true;
}

/** Return the id of the prediction that is shown, or null. */
export function shownPredictionId() {
  return entry && entry.prediction_id;
}

for (const button of feedbackButtons) button.addEventListener("click", () => sendFeedback(button.dataset.feedback));

async function sendFeedback(choice) {
  if (isSending) return;
  const feedback = { prediction_id: entry.prediction_id, replace: true };
  if (choice === "correct") feedback.correct = true;
  else if (choice === "not-a-digit") feedback.not_a_digit = true;
  else feedback.digit = Number(choice);
  isSending = true;
  try {
    await call("POST", "/feedback", { json: feedback });
    const updated = await call("GET", `/predictions/${feedback.prediction_id}`);
    onChange(updated);
    if (shownPredictionId() !== feedback.prediction_id) return;
    entry = updated;
    render();
    announce(entry.shadow_prediction ? text("announced_other", describe(entry.shadow_prediction)) : text("thanks"));
  } catch (error) {
    showToast(error.message, "error");
  } finally {
    isSending = false;
  }
}

function render() {
  renderPrediction(find("#prediction"), entry);
  find("#doubt").hidden = !entry.warning;
  find("#other-prediction").hidden = !entry.shadow_prediction;
  if (entry.shadow_prediction) renderPrediction(find("#other-prediction"), entry.shadow_prediction);
  find("#feedback-given").hidden = !entry.feedback;
  find("#feedback-status").textContent = `${feedbackText(entry.feedback)} ${text("thanks")}`;
  const choices = currentChoices(entry);
  for (const button of feedbackButtons) button.setAttribute("aria-pressed", choices.includes(button.dataset.feedback));
  const predictions = { [entry.version]: entry };
  if (entry.shadow_prediction) predictions[entry.shadow_prediction.version] = entry.shadow_prediction;
  drawBars(find("tbody"), predictions, entry.feedback ? "not_processed" : "hidden_until_feedback");
}

function renderPrediction(element, prediction) {
  element.className = `prediction ${prediction.version}`;
  element.querySelector(".glyph").textContent = prediction.prediccion;
  element.querySelector(".version-name").textContent = text(prediction.version);
  element.querySelector(".confidence").textContent = text("confidence", { percent: formatConfidence(prediction.probabilidad) });
}

function currentChoices({ feedback }) {
  if (!feedback) return [];
  if (feedback.correct) return ["correct"];
  return [feedback.not_a_digit ? "not-a-digit" : String(feedback.digit)];
}

function describe(prediction) {
  return {
    digit: prediction.prediccion,
    version: text(prediction.version),
    percent: formatConfidence(prediction.probabilidad),
  };
}

async function showImage(predictionId) {
  const image = find("#model-input");
  image.removeAttribute("src");
  const url = await getImageUrl(predictionId).catch(() => null);
  if (url && shownPredictionId() === predictionId) image.src = url;
}

// Runs the home page: draw or send a digit, see the prediction, give feedback.

import { announce } from "./announcer.js";
import { DrawingCanvas } from "./canvas.js";
import { requireConfirmation } from "./confirm_button.js";
import { digitName } from "./digit_names.js";
import { fitToLimits, onFile } from "./files.js";
import { addOrUpdate, clearHistory, refreshHistory, setHandlers, setReviewLabel } from "./history.js";
import { subscribe } from "./live.js";
import { requireLogin } from "./login.js";
import { showToast, text } from "./messages.js";
import { clearResult, onFeedback, showResult, shownPredictionId } from "./result.js";
import { call } from "./session.js";

const byId = (id) => document.getElementById(id);
const page = byId("page");
const drawingArea = byId("drawing-area");
const result = byId("result");
const preview = byId("preview");
const inputError = byId("input-error");
const buttons = {
  recognize: byId("recognize"),
  undo: byId("undo"),
  clear: byId("clear"),
  chooseImage: byId("choose-image"),
  takePhoto: byId("take-photo"),
  drawAnother: byId("draw-another"),
};
const fileInputs = { image: byId("image-file"), camera: byId("camera-file") };

const canvas = new DrawingCanvas(byId("canvas"), () => {
  inputError.textContent = "";
  updateControls();
});
let isRecognizing = false;

/** Update the state of the drawing area and its buttons. */
function updateControls() {
  if (!canvas.isEmpty) hidePreview();
  drawingArea.dataset.state = canvas.hasNewDrawing ? "drawn" : canvas.isEmpty && preview.hidden ? "empty" : "recognized";
  buttons.recognize.disabled = isRecognizing || !canvas.hasNewDrawing;
  buttons.undo.disabled = buttons.clear.disabled = canvas.isEmpty && preview.hidden;
}

async function recognizeDrawing() {
  if (!canvas.hasNewDrawing || isRecognizing) return;
  if (await recognize(canvas.toBlob())) canvas.markRecognized();
}

async function recognizeFile(file) {
  if (page.hidden || isRecognizing) return;
  canvas.clear();
  hidePreview();
  const image = await fitToLimits(file);
  if (image === null) {
    showInputError(text("too_large"));
    return;
  }
  await recognize(image);
  showPreview(image);
}

/** Send an image to A/B prediction and show the result; return whether there is one. */
async function recognize(image) {
  isRecognizing = true;
  updateControls();
  inputError.textContent = "";
  const type = image.type.startsWith("image/") ? image.type : "image/unknown";
  try {
    const prediction = await call("POST", "/api/ab/predict", { body: image, type });
    const entry = { ...prediction, created_at: new Date().toISOString(), feedback: null };
    addOrUpdate(entry);
    openResult(entry);
    return true;
  } catch (error) {
    showInputError(errorText(error));
    return false;
  } finally {
    isRecognizing = false;
    updateControls();
  }
}

function errorText({ status, problem, message }) {
  if (status === 413) return text("too_large");
  if (status === 415) return text("unreadable");
  if (status === 422 && problem.title === "No digit") return text("no_digit");
  if (status === 422 && problem.title === "Several digits") return text("several_digits");
  return status >= 500 ? text("server_error") : message;
}

function showInputError(message) {
  clearResult();
  inputError.textContent = message;
}

function openResult(entry) {
  showResult(entry);
  scrollToView(result);
}

function scrollToView(element) {
  const { top } = element.getBoundingClientRect();
  const isInView = top >= 0 && top < innerHeight / 2;
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (!isInView) element.scrollIntoView({ block: "start", behavior });
}

function showPreview(image) {
  hidePreview();
  preview.src = URL.createObjectURL(image);
  preview.hidden = false;
  preview.addEventListener("error", hidePreview, { once: true }); // a format that only the server can read
  updateControls();
}

function hidePreview() {
  URL.revokeObjectURL(preview.src);
  preview.removeAttribute("src");
  preview.hidden = true;
}

function reset() {
  hidePreview();
  canvas.clear();
  inputError.textContent = "";
}

function handleReview({ prediction_id, digit, not_a_digit }) {
  setReviewLabel(prediction_id, { digit, not_a_digit });
  showToast(text("review_received", { label: digitName({ digit, not_a_digit }) }));
}

buttons.recognize.addEventListener("click", recognizeDrawing);
buttons.undo.addEventListener("click", () => (preview.hidden ? canvas.undo() : reset()));
buttons.clear.addEventListener("click", reset);
buttons.drawAnother.addEventListener("click", () => {
  reset();
  clearResult();
  scrollToView(drawingArea);
  announce(text("canvas_empty"));
});
buttons.chooseImage.addEventListener("click", () => fileInputs.image.click());
buttons.takePhoto.addEventListener("click", () => fileInputs.camera.click());
buttons.takePhoto.hidden = navigator.maxTouchPoints === 0; // likely no hand-held camera
onFile(Object.values(fileInputs), recognizeFile);

document.addEventListener("keydown", (event) => {
  if (page.hidden || event.target.closest("button, a, input, summary")) return;
  if (event.key === "Enter") recognizeDrawing();
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) canvas.undo();
});

onFeedback(addOrUpdate);
setHandlers({
  open: openResult,
  deleted: (predictionId) => { if (predictionId === shownPredictionId()) clearResult(); },
});
requireConfirmation(byId("delete-account"), text("confirm_delete_account"), async () => {
  await call("DELETE", "/me");
  location.reload();
});

requireLogin(async () => {
  clearResult();
  clearHistory();
  reset();
  subscribe({ prediction: handleReview }, refreshHistory, () => {});
  await refreshHistory();
});

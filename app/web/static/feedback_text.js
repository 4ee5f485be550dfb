// Describes confidence and feedback in the language of the page.

import { digitName } from "./digit_names.js";
import { percent, text } from "./messages.js";

/** Format a confidence; never round it up: 99.96 % is not 100 %. */
export function formatConfidence(share) {
  return percent(Math.floor(share * 1000) / 1000, 1);
}

/** Describe the feedback on a prediction to the user who gave it. */
export function feedbackText(feedback) {
  if (feedback === null) return text("no_feedback");
  if (feedback.correct) return text("marked_correct");
  if (feedback.digit === null && !feedback.not_a_digit) return text("marked_incorrect");
  return text("feedback_label", { label: digitName(feedback) });
}

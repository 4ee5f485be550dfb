// What people say of an answer, in the page's words.

import { named } from "./digit_names.js";
import { percent, text } from "./messages.js";

/** How sure an answer is, never rounded up: 99.96 % is not 100. */
export function sureness(share) {
  return percent(Math.floor(share * 1000) / 1000, 1);
}

/** The word on a prediction, told to the one who gave it. */
export function told(word) {
  if (word === null) return text("no_word");
  if (word.correct) return text("was_right");
  if (word.digit === null && !word.not_a_digit) return text("was_wrong");
  return text("was_named", { label: named(word) });
}

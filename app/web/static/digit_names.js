// Names labels in the language of the page.

import { text } from "./messages.js";

/** Return the name of a label: a digit, or "not a digit". */
export function digitName({ digit, not_a_digit }) {
  return not_a_digit ? text("not_a_digit") : text("digit", { digit });
}

// What a picture shows, in the page's words.

import { text } from "./messages.js";

/** What a picture shows, as somebody named it: a digit, or that it is none. */
export function named({ digit, not_a_digit }) {
  return not_a_digit ? text("not_a_digit") : text("digit", { digit });
}

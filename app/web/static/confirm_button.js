// Makes destructive buttons ask for confirmation: the first press asks, the second one acts.

import { announce } from "./announcer.js";
import { showToast, text } from "./messages.js";

const CONFIRM_WITHIN_MS = 5000;

/** Make a button ask `question` before it calls `act`; a failure of `act` is shown. */
export function requireConfirmation(button, question, act) {
  const label = button.textContent;
  let timer = null;

  function ask() {
    button.textContent = question;
    button.classList.add("danger");
    announce(question);
    timer = setTimeout(reset, CONFIRM_WITHIN_MS);
  }

  function reset() {
    clearTimeout(timer);
    timer = null;
    button.textContent = label;
    button.classList.remove("danger");
  }

  button.addEventListener("blur", reset);
  button.addEventListener("click", async ({ detail }) => {
    if (timer === null) {
      ask();
    } else if (detail < 2) { // a double click counts as one press
      reset();
      await act().catch((error) => showToast(error.message || text("request_failed"), "error"));
    }
  });
}

// Buttons that destroy something: the first press asks, the second one acts.

import { tell, text } from "./messages.js";
import { speak } from "./announcer.js";

const ASKS_FOR_MS = 5000;

/** Have a button ask `question` before it calls `act`; what goes wrong there is told. */
export function askFirst(button, question, act) {
  const words = button.textContent;
  let timer = null;

  function ask() {
    button.textContent = question;
    button.classList.add("danger");
    speak(question);
    timer = setTimeout(rest, ASKS_FOR_MS);
  }

  function rest() {
    clearTimeout(timer);
    timer = null;
    button.textContent = words;
    button.classList.remove("danger");
  }

  button.addEventListener("blur", rest);
  button.addEventListener("click", async ({ detail }) => {
    if (timer === null) {
      ask();
    } else if (detail < 2) { // a double click is one press
      rest();
      await act().catch((refused) => tell(refused.message || text("failed"), "error"));
    }
  });
}

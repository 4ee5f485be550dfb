// Blind labelling, one picture after the other, as fast as somebody can press keys.

import { open } from "./login.js";
import { named } from "./digit_names.js";
import { listen } from "./live.js";
import { number, tell, text } from "./messages.js";
import { ApiError, call } from "./session.js";
import { speak } from "./announcer.js";

const ASK_AGAIN_MS = 5000;
const MINUTE_MS = 60_000;
const KEYS_WANTED = "cifra-review-keys";

const part = (id) => document.getElementById(id);
const room = part("room");

let item = null; // the picture on the desk; null while one is asked for, or none waits
let done = []; // what was said since the page was opened: { item, word, at_ms }
let waiting = 0;
let work = Promise.resolve(); // one request after the other, in the order of the keys

function inTurn(job) {
  work = work.then(job).catch((refused) => {
    if (!(refused instanceof ApiError)) throw refused;
    tell(refused.message, "error");
  });
}

async function ask() {
  if (item !== null) return;
  const answer = await call("GET", "/admin/review");
  waiting = answer.waiting;
  part("flagged").textContent = number(answer.flagged);
  item = answer.item;
  show();
  if (item === null) showNothing();
}

function say(word) {
  if (item === null) return;
  const said = { item, word, at_ms: Date.now() };
  item = null; // on to the next at once; the word is taken back if it is refused
  done.push(said);
  waiting -= isSkip(word) ? 0 : 1;
  stamp(said);
  show();
  inTurn(async () => {
    await send(said);
    await ask();
  });
}

async function send(said) {
  try {
    await call("POST", `/admin/review/${said.item.prediction_id}`, { json: said.word });
  } catch (refused) {
    done = done.filter((each) => each !== said);
    const isLost = refused.status === 404 || refused.status === 409;
    if (isLost) tell(text("lost"));
    else item = said.item;
    show();
    if (!isLost) throw refused;
    return;
  }
  speak(text("recorded", { label: spell(said.word), pending: number(waiting) }));
}

function takeBack() {
  inTurn(async () => {
    const said = done.at(-1);
    if (!said) return;
    try {
      await call("DELETE", `/admin/review/${said.item.prediction_id}`);
      tell(text("taken_back", { label: spell(said.word) }));
    } catch (refused) {
      if (refused.status !== 409) throw refused;
      tell(text("not_taken_back"), "error");
    }
    done.pop();
    if (!isSkip(said.word)) waiting += 1;
    show();
    await ask();
  });
}

const isSkip = (word) => word.skip === true;
const spell = (word) => (isSkip(word) ? text("skipped") : named(word));

function show() {
  part("frame").dataset.state = item === null ? "sent" : "asked";
  if (item !== null) part("picture").src = item.image;
  part("waiting").textContent = number(Math.max(0, waiting));
  showDone();
}

function showNothing() {
  const words = text(waiting > 0 ? "not_for_you" : "all_done");
  if (part("frame").dataset.state !== "none") speak(words);
  part("frame").dataset.state = "none";
  part("nothing-words").textContent = words;
}

function showDone() {
  const spoken = done.filter(({ word }) => !isSkip(word));
  part("labelled").textContent = number(spoken.length);
  part("rate").textContent = number(spoken.filter(({ at_ms }) => at_ms > Date.now() - MINUTE_MS).length);
  const last = done.at(-1);
  part("last").hidden = !last;
  if (!last) return;
  part("last-picture").src = last.item.image;
  part("last-word").textContent = spell(last.word);
}

function stamp({ word }) {
  const mark = part("stamp");
  mark.textContent = isSkip(word) ? "→" : word.not_a_digit ? "∅" : word.digit;
  mark.animate([{ opacity: 0.9, scale: 1.15 }, { opacity: 0, scale: 1 }], { duration: 420, easing: "ease-out" });
}

function press(key) {
  if (key === "u") takeBack();
  else if (key === "n") say({ not_a_digit: true });
  else if (key === "s") say({ skip: true });
  else say({ digit: Number(key) });
}

for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => press(button.dataset.key));
}

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (room.hidden || !part("keys").checked || event.repeat || !/^[0-9nsu]$/.test(key)) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  event.preventDefault();
  press(key);
});

part("keys").checked = localStorage.getItem(KEYS_WANTED) !== "off";
part("keys").addEventListener("change", ({ target }) => {
  localStorage.setItem(KEYS_WANTED, target.checked ? "on" : "off");
});

// A page that nobody looks at asks for nothing: what it held would be kept from others.
function askIfWatched() {
  if (!room.hidden && !document.hidden && item === null) inTurn(ask);
}

setInterval(showDone, 1000);
setInterval(askIfWatched, ASK_AGAIN_MS);
document.addEventListener("visibilitychange", askIfWatched);

open(async () => {
  item = null;
  done = [];
  inTurn(ask);
  await work;
  listen({ traffic: (told) => { if (told.waiting > waiting) askIfWatched(); } }, askIfWatched, () => {});
});

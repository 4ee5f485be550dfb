// The way in: takes up the login of the cookie or asks for one, then opens the page's room.

import { tell, text } from "./messages.js";
import { call, logIn, logOut, onEnd, register, restore } from "./session.js";

const door = document.getElementById("door");
const room = document.getElementById("room");
const form = document.getElementById("door-form");
const error = document.getElementById("door-error");
const allowed = document.body.dataset.roles.split(" ");
let isEntered = false;

/** Open the room once somebody is in who may be there; calls `enter` with their account. */
export async function open(enter) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    goIn(event.submitter?.value === "register", enter);
  });
  document.getElementById("log-out").addEventListener("click", async () => {
    await logOut();
    location.reload();
  });
  onEnd(() => {
    tell(text("ended"), "error");
    show({ door: true });
  });
  if (await restore().catch(() => false)) await welcome(enter);
  else show({ door: true });
}

async function goIn(isNew, enter) {
  const { username, password } = Object.fromEntries(new FormData(form));
  error.textContent = "";
  form.querySelectorAll("button").forEach((button) => { button.disabled = true; });
  try {
    if (isNew) await register(username, password);
    await logIn(username, password);
    form.reset();
    await welcome(enter);
  } catch (refused) {
    error.textContent = refused.message;
  } finally {
    form.querySelectorAll("button").forEach((button) => { button.disabled = false; });
  }
}

async function welcome(enter) {
  if (isEntered) {
    location.reload(); // somebody else's page may stand here, and its connection has ended
    return;
  }
  isEntered = true;
  const me = await call("GET", "/me");
  document.getElementById("name").textContent = me.username;
  for (const link of document.querySelectorAll("[data-needs]")) {
    link.hidden = !link.dataset.needs.split(" ").includes(me.role);
  }
  const may = allowed.includes(me.role);
  show({ room: may, refused: !may });
  if (may) await enter(me);
}

function show({ door: atDoor = false, room: inRoom = false, refused = false }) {
  door.hidden = !atDoor;
  room.hidden = !inRoom;
  document.getElementById("not-allowed").hidden = !refused;
  document.getElementById("log-out").hidden = atDoor;
  if (atDoor) {
    document.getElementById("name").textContent = "";
    form.elements.username.focus();
  }
}

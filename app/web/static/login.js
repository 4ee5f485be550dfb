// Shows the login form unless a session can be restored, then the page's content.

import { showToast, text } from "./messages.js";
import { call, logIn, logOut, onSessionEnd, register, restoreSession } from "./session.js";

const login = document.getElementById("login");
const page = document.getElementById("page");
const form = document.getElementById("login-form");
const formError = document.getElementById("login-error");
const allowedRoles = document.body.dataset.roles.split(" ");
let isEntered = false;

/** Show the page once a user with an allowed role is logged in; calls `start` with their account. */
export async function requireLogin(start) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(event.submitter?.value === "register", start);
  });
  document.getElementById("log-out").addEventListener("click", async () => {
    await logOut();
    location.reload();
  });
  onSessionEnd(() => {
    showToast(text("session_ended"), "error");
    show({ login: true });
  });
  if (await restoreSession().catch(() => false)) await enter(start);
  else show({ login: true });
}

async function submit(isNew, start) {
  const { username, password } = Object.fromEntries(new FormData(form));
  formError.textContent = "";
  form.querySelectorAll("button").forEach((button) => { button.disabled = true; });
  try {
    if (isNew) await register(username, password);
    await logIn(username, password);
    form.reset();
    await enter(start);
  } catch (error) {
    formError.textContent = error.message;
  } finally {
    form.querySelectorAll("button").forEach((button) => { button.disabled = false; });
  }
}

async function enter(start) {
  if (isEntered) {
    location.reload(); // the page may show another user's data, and its connection has ended
    return;
  }
  isEntered = true;
  const me = await call("GET", "/me");
  document.getElementById("account-name").textContent = me.username;
  for (const link of document.querySelectorAll("nav [data-roles]")) {
    link.hidden = !link.dataset.roles.split(" ").includes(me.role);
  }
  const isAllowed = allowedRoles.includes(me.role);
  show({ page: isAllowed, denied: !isAllowed });
  if (isAllowed) await start(me);
}

function show({ login: showLogin = false, page: showPage = false, denied = false }) {
  login.hidden = !showLogin;
  page.hidden = !showPage;
  document.getElementById("access-denied").hidden = !denied;
  document.getElementById("log-out").hidden = showLogin;
  if (showLogin) {
    document.getElementById("account-name").textContent = "";
    form.elements.username.focus();
  }
}

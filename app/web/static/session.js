// Who is logged in, and calls to the API in their name. The access token lives in this module alone;
// the refresh token is a cookie that no script can read.

import { later, text } from "./messages.js";

let token = null;
let expires_at_ms = 0;
const listeners = new Set();

/** An answer that is no success; `message` is for people, `problem` what the server said. */
export class ApiError extends Error {
  constructor(status, problem, message) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

/** Have a function called when the login ends. */
export function onEnd(listener) {
  listeners.add(listener);
}

/** The access token, fresh for a minute at least; null where nobody is logged in. */
export async function freshToken() {
  if (token && Date.now() > expires_at_ms - 60_000) await restore();
  return token;
}

/** Take up the login that the cookie stands for; false where there is none. */
export function restore() {
  // One tab at a time: a refresh token that is used twice ends the login. Locks are there on
  // https and on this machine; a page that has none of them does without.
  return navigator.locks ? navigator.locks.request("cifra-refresh", refresh) : refresh();
}

async function refresh() {
  const answer = await ask("/refresh", { method: "POST", keepalive: true });
  if (!answer.ok) {
    if (answer.status === 401 || answer.status === 422) end();
    return false;
  }
  keep(await answer.json());
  return true;
}

/** Log in. Throws ApiError. */
export async function logIn(username, password) {
  const answer = await ask("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Cifra-Refresh-Cookie": "1" },
    body: JSON.stringify({ username, password }),
  });
  keep(await body(answer));
}

/** Make an account. Throws ApiError. */
export async function register(username, password) {
  const answer = await ask("/register", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  await body(answer);
}

/** End the login, here and on the server. */
export async function logOut() {
  await call("POST", "/logout").catch(() => {});
  end();
}

/** Call the API and return its JSON, or its text with `as: "text"`; `json` or `body` is sent. Throws ApiError. */
export async function call(method, path, options = {}) {
  const answer = await send(method, path, options);
  return answer.ok && options.as === "text" ? answer.text() : body(answer);
}

/** Fetch a picture with the token; returns a URL of a blob. Throws ApiError. */
export async function picture(path) {
  const answer = await send("GET", path);
  if (!answer.ok) await body(answer);
  return URL.createObjectURL(await answer.blob());
}

async function send(method, path, options = {}, again = true) {
  const bearer = await freshToken();
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  if (options.type) headers["Content-Type"] = options.type;
  if (options.json) headers["Content-Type"] = "application/json";
  const sent = { method, headers, body: options.json ? JSON.stringify(options.json) : options.body };
  const answer = await ask(path, sent);
  if (answer.status === 401 && again && (await restore())) return send(method, path, options, false);
  if (answer.status === 401) end();
  return answer;
}

async function ask(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, {}, text("offline"));
  }
}

async function body(answer) {
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  let message = said.error || said.msg || text("failed");
  if (answer.status === 429) message = text("limited", { when: later(answer.headers.get("Retry-After")) });
  throw new ApiError(answer.status, said, message);
}

function keep(pair) {
  token = pair.access_token;
  expires_at_ms = 1000 * JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp;
}

function end() {
  const was = token;
  token = null;
  if (was) listeners.forEach((listener) => listener());
}

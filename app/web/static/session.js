// Holds the login session and calls the API in its name. The access token lives in this module
// alone; the refresh token is a cookie that no script can read.

import { formatDelay, text } from "./messages.js";

let token = null;
let expires_at_ms = 0;
const listeners = new Set();

/** An error response; `message` is for people, `problem` the server's JSON. */
export class ApiError extends Error {
  constructor(status, problem, message) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

/** Call a function when the session ends. */
export function onSessionEnd(listener) {
  listeners.add(listener);
}

/** Return an access token that is valid for at least a minute; null where nobody is logged in. */
export async function getAccessToken() {
  if (token && Date.now() > expires_at_ms - 60_000) await restoreSession();
  return token;
}

/** Restore the session of the refresh cookie; return false where there is none. */
export function restoreSession() {
  // One tab at a time: a refresh token that is used twice ends the session. Locks exist on https
  // and on localhost; a page without them refreshes directly.
  return navigator.locks ? navigator.locks.request("cifra-refresh", refresh) : refresh();
}

async function refresh() {
  const response = await send("/refresh", { method: "POST", keepalive: true });
  if (!response.ok) {
    if (response.status === 401 || response.status === 422) endSession();
    return false;
  }
  storeToken(await response.json());
  return true;
}

/** Log in. Throws ApiError. */
export async function logIn(username, password) {
  const response = await send("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Cifra-Refresh-Cookie": "1" },
    body: JSON.stringify({ username, password }),
  });
  storeToken(await parse(response));
}

/** Register an account. Throws ApiError. */
export async function register(username, password) {
  const response = await send("/register", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  await parse(response);
}

/** End the session, here and on the server. */
export async function logOut() {
  await call("POST", "/logout").catch(() => {});
  endSession();
}

/** Call the API and return its JSON, or its text with `as: "text"`; `json` or `body` is sent. Throws ApiError. */
export async function call(method, path, options = {}) {
  const response = await sendAuthenticated(method, path, options);
  return response.ok && options.as === "text" ? response.text() : parse(response);
}

/** Fetch an image and return an object URL of it. Throws ApiError. */
export async function fetchImage(path) {
  const response = await sendAuthenticated("GET", path);
  if (!response.ok) await parse(response);
  return URL.createObjectURL(await response.blob());
}

async function sendAuthenticated(method, path, options = {}, canRetry = true) {
  const bearer = await getAccessToken();
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  if (options.type) headers["Content-Type"] = options.type;
  if (options.json) headers["Content-Type"] = "application/json";
  const body = options.json ? JSON.stringify(options.json) : options.body;
  const response = await send(path, { method, headers, body });
  if (response.status === 401 && canRetry && (await restoreSession())) return sendAuthenticated(method, path, options, false);
  if (response.status === 401) endSession();
  return response;
}

async function send(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, {}, text("offline"));
  }
}

async function parse(response) {
  const content = await response.json().catch(() => ({}));
  if (response.ok) return content;
  let message = content.error || content.msg || text("request_failed");
  if (response.status === 429) message = text("rate_limited", { when: formatDelay(response.headers.get("Retry-After")) });
  throw new ApiError(response.status, content, message);
}

function storeToken(pair) {
  token = pair.access_token;
  expires_at_ms = 1000 * JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp;
}

function endSession() {
  const previous = token;
  token = null;
  if (previous) listeners.forEach((listener) => listener());
}

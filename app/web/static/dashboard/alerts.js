// Shows alerts and reviewer reliability, and edits this admin's email notifications.

import { announce } from "../announcer.js";
import { number, percent, showToast, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { byId, fill, formatTime, renderRows } from "./dom.js";

const alerts = new Map();

/** Show this admin's notification settings, and save them on submit. */
export function init(me) {
  const form = byId("notifications");
  form.elements.email.value = me.email ?? "";
  for (const box of form.querySelectorAll("[name=notifications]")) box.checked = me.notifications.includes(box.value);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const notifications = [...form.querySelectorAll("[name=notifications]:checked")].map((box) => box.value);
    try {
      await call("PATCH", "/me", { json: { email: form.elements.email.value, notifications } });
      showToast(text("saved"));
    } catch (error) {
      showToast(error.message, "error");
    }
  });
}

/** Show all alerts, newest first. */
export function showAlerts(found) {
  alerts.clear();
  for (const alert of found) alerts.set(alert.id, alert);
  show();
}

/** Add an alert and announce it. */
export function showAlert(alert) {
  alerts.set(alert.id, alert);
  show();
  const message = `${textFor("alert", alert.kind)}: ${alert.message}`;
  showToast(message);
  announce(message);
}

/** Show the reviewers' accuracy on gold tasks. */
export function showReviewers(found, usernames) {
  byId("no-reviewers").hidden = found.length > 0;
  byId("reviewers-box").hidden = found.length === 0;
  const items = found.map((each) => ({ id: each.reviewer_id, ...each }));
  renderRows(byId("reviewers"), byId("reviewer-row"), items, (row, each) => fill(row, {
    name: usernames.get(each.id) ?? text("account", { id: each.id }),
    answered: number(each.answered),
    accuracy: percent(each.correct / Math.max(each.answered, 1)),
    reliable: text(each.is_reliable ? "yes" : "no"),
  }));
}

function show() {
  const found = [...alerts.values()].sort((one, other) => other.id - one.id);
  byId("no-alerts").hidden = found.length > 0;
  byId("alerts").hidden = found.length === 0;
  renderRows(byId("alerts"), byId("alert-row"), found, (row, alert) => {
    fill(row, { kind: textFor("alert", alert.kind), at: formatTime(alert.created_at), message: alert.message });
  });
}

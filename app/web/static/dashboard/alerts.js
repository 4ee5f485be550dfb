// Alerts, reviewers, and what this admin is mailed about.

import { number, percent, tell, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { speak } from "../announcer.js";
import { at, fill, list, when } from "./dom.js";

const alerts = new Map();

/** Show this admin's mail switches, and save them when asked. */
export function begin(me) {
  const form = at("mail");
  form.elements.email.value = me.email ?? "";
  for (const box of form.querySelectorAll("[name=mail]")) box.checked = me.mail.includes(box.value);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mail = [...form.querySelectorAll("[name=mail]:checked")].map((box) => box.value);
    try {
      await call("PATCH", "/me", { json: { email: form.elements.email.value, mail } });
      tell(text("saved"));
    } catch (refused) {
      tell(refused.message, "error");
    }
  });
}

/** All alerts, the newest first. */
export function showAlerts(found) {
  alerts.clear();
  for (const alert of found) alerts.set(alert.id, alert);
  show();
}

/** One more alert, told to everybody. */
export function showAlert(alert) {
  alerts.set(alert.id, alert);
  show();
  const words = `${textFor("alert", alert.kind)}: ${alert.message}`;
  tell(words);
  speak(words);
}

/** How reviewers read known pictures. */
export function showReviewers(found, people) {
  at("no-reviewers").hidden = found.length > 0;
  at("reviewers-box").hidden = found.length === 0;
  const items = found.map((each) => ({ id: each.reviewer_id, ...each }));
  list(at("reviewers"), at("reviewer-row"), items, (row, each) => fill(row, {
    name: people.get(each.id) ?? text("account", { id: each.id }),
    read: number(each.read),
    right: percent(each.right / Math.max(each.read, 1)),
    reliable: text(each.is_reliable ? "yes" : "no"),
  }));
}

function show() {
  const found = [...alerts.values()].sort((one, other) => other.id - one.id);
  at("no-alerts").hidden = found.length > 0;
  at("alerts").hidden = found.length === 0;
  list(at("alerts"), at("alert-row"), found, (row, alert) => {
    fill(row, { kind: textFor("alert", alert.kind), at: when(alert.created_at), message: alert.message });
  });
}

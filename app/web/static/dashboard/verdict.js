// Shows the experiment's results and test details; starts, stops and concludes experiments.

import { requireConfirmation } from "../confirm_button.js";
import { number, percent, showToast, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { byId, fill, formatPoints, formatTime, renderRows, setText, VERSIONS } from "./dom.js";
import { initWinRate, showWinRate } from "./win_rate.js";

let experiment = null;

/** Connect the buttons and the form; `changed` is called after an action. */
export function init(changed) {
  initWinRate();
  requireConfirmation(byId("stop-experiment"), text("confirm_stop"), async () => {
    await call("POST", `/admin/experiments/${experiment.id}/stop`);
    showToast(text("experiment_stopped"));
    await changed();
  });
  const conclude = byId("conclude");
  conclude.addEventListener("submit", (event) => event.preventDefault());
  requireConfirmation(conclude.querySelector("[type=submit]"), text("confirm_ship"), async () => {
    const winner = conclude.elements.winner.value || null;
    const ended = await call("POST", `/admin/experiments/${experiment.id}/conclude`, { json: { winner } });
    showToast(text("winner_shipped", { winner: ended.stages.at(-1).weight === 1 ? "v2" : "v1" }));
    await changed();
  });
  byId("start-experiment").addEventListener("submit", (event) => start(event, changed));
}

async function start(event, changed) {
  event.preventDefault();
  const { weight, unit, ramp, ramp_units: units } = event.target.elements;
  const steps = ramp.value.split(/[^0-9.]+/).filter(Boolean).map((share) => Number(share) / 100);
  const plan = { unit: unit.value, ramp_units: Number(units.value), ramp: steps };
  if (!steps.length) plan.weight = Number(weight.value) / 100;
  try {
    const created = await call("POST", "/admin/experiments", { json: plan });
    showToast(text("experiment_started", { id: created.id }));
    await changed();
  } catch (error) {
    showToast(error.message, "error");
  }
}

/** Show the current experiment; null for none. */
export function showExperiment(found) {
  experiment = found;
  const isRunning = found?.running ?? false;
  byId("experiment-controls").hidden = !isRunning;
  byId("start-experiment").hidden = isRunning;
  setText(byId("experiment-name"), found ? experimentName(found) : "");
  setText(byId("outcome"), outcome(found));
  byId("outcome").dataset.outcome = found?.verdict ?? "none";
  setText(byId("outcome-reason"), reason(found));
  if (!found) return;
  showWarnings(found.warnings);
  showDifference(found.accuracy_difference);
  showWinRate(found);
  showFacts(found);
}

/** Show the user feedback of this experiment. */
export function showUserFeedback(view) {
  for (const version of VERSIONS) {
    const { eligible = 0, eligible_correct: correct = 0 } = view?.versions[version] ?? {};
    const share = eligible ? percent(correct / eligible, 1) : text("none");
    fill(byId(`user-feedback-${version}`), { eligible: number(eligible), correct: number(correct), share });
  }
  const isKnown = view && view.difference.high - view.difference.low < 2;
  setText(byId("user-feedback-difference"), isKnown
    ? text("user_feedback_difference", { interval: formatInterval(view.difference) })
    : text("too_few_ratings"));
}

/** Show all experiments, newest first. */
export function showExperiments(found) {
  renderRows(byId("experiments"), byId("experiment-row"), found, (row, each) => fill(row, {
    id: each.id,
    started: formatTime(each.started_at),
    ended: each.running ? text("running") : `${formatTime(each.ended_at)}, ${endReason(each)}`,
    verdict: text(`short_${each.verdict}`),
    requests: number(each.requests),
    labels: number(each.labels.total),
  }));
}

function experimentName(found) {
  return found.running
    ? text("experiment", { id: found.id })
    : text("experiment_ended", { id: found.id, reason: endReason(found) });
}

function endReason(found) {
  return text(`end_${found.end_reason}`);
}

function outcome(found) {
  if (!found) return text("outcome_none");
  if (found.verdict === "collecting" && !found.running) return text("outcome_inconclusive");
  return text(`outcome_${found.verdict}`);
}

function reason(found) {
  if (!found) return text("reason_none");
  if (found.verdict === "invalid") return text("reason_invalid", { reason: textFor("invalid", found.reason) });
  if (found.verdict === "equivalent") return text("reason_equivalent");
  if (found.winner) return text("reason_winner", { at: formatTime(found.winner.named_at) });
  if (!found.running) return text("reason_stopped");
  return found.labels_needed === null
    ? text("reason_unclear")
    : text("reason_collecting", { labels: number(found.labels_needed) });
}

function showWarnings(warnings) {
  byId("warnings").hidden = warnings.length === 0;
  byId("warnings").replaceChildren(...warnings.map((warning) => {
    const item = document.createElement("li");
    item.textContent = textFor("warning", warning);
    return item;
  }));
}

function showDifference({ low, high }) {
  const max = Math.min(1, Math.max(0.01, Math.abs(low), Math.abs(high)) * 1.1);
  const place = (selector, from, to) => {
    const bar = document.querySelector(`.difference ${selector}`);
    bar.style.left = `${50 + (50 * from) / max}%`;
    bar.style.width = `${Math.max(0, (50 * (to - from)) / max)}%`;
  };
  place(".equivalence-region", -0.003, 0.003);
  place(".v1-better", Math.min(low, 0), Math.min(high, 0));
  place(".v2-better", Math.max(low, 0), Math.max(high, 0));
  setText(byId("difference-min"), formatPoints(-max));
  setText(byId("difference-max"), formatPoints(max));
  setText(byId("difference-text"), formatInterval({ low, high }));
}

function formatInterval({ low, high }) {
  return text("points", { low: formatPoints(low), high: formatPoints(high) });
}

function showFacts(found) {
  const { labels, served, sample_ratio_mismatch: srm } = found;
  const remaining = found.labels_needed ?? (found.running && found.verdict === "collecting" ? text("not_enough_data") : text("none_remaining"));
  const facts = {
    requests: number(found.requests),
    exposures: text("exposures", { v1: number(served.v1), v2: number(served.v2) }),
    disagreements: number(found.disagreements),
    labeled: number(labels.disagreements),
    discordant: number(labels.discordant),
    audit: number(labels.audit),
    skipped: text("skipped_deleted", { skipped: number(labels.skipped), erased: number(labels.erased) }),
    remaining,
    "e-value": found.e_value > 1e6 ? text("over_a_million") : number(found.e_value, found.e_value < 100 ? 2 : 0),
    srm: srm.p_value === null ? text("none") : number(srm.p_value, 3),
    weight: percent(found.weight, found.weight < 0.1 ? 1 : 0),
    unit: text(`unit_${found.unit}`),
  };
  for (const [fact, value] of Object.entries(facts)) setText(byId(`fact-${fact}`), value);
}

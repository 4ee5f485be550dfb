// The experiment: its verdict, what it rests on, and its end.

import { number, percent, tell, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { askFirst } from "../confirm_button.js";
import { at, fill, list, points, say, VERSIONS, when } from "./dom.js";
import { beginShare, showShare } from "./win_rate.js";

let experiment = null;

/** Take what the buttons ask for; `changed` is called after an action. */
export function begin(changed) {
  beginShare();
  askFirst(at("stop"), text("stop_sure"), async () => {
    await call("POST", `/admin/experiments/${experiment.id}/stop`);
    tell(text("stopped"));
    await changed();
  });
  const conclude = at("conclude");
  conclude.addEventListener("submit", (event) => event.preventDefault());
  askFirst(conclude.querySelector("[type=submit]"), text("conclude_sure"), async () => {
    const winner = conclude.elements.winner.value || null;
    const ended = await call("POST", `/admin/experiments/${experiment.id}/conclude`, { json: { winner } });
    tell(text("concluded", { winner: ended.steps.at(-1).weight === 1 ? "v2" : "v1" }));
    await changed();
  });
  at("start").addEventListener("submit", (event) => start(event, changed));
}

async function start(event, changed) {
  event.preventDefault();
  const { weight, unit, ramp, ramp_units: units } = event.target.elements;
  const steps = ramp.value.split(/[^0-9.]+/).filter(Boolean).map((share) => Number(share) / 100);
  const wanted = { unit: unit.value, ramp_units: Number(units.value), ramp: steps };
  if (!steps.length) wanted.weight = Number(weight.value) / 100;
  try {
    const made = await call("POST", "/admin/experiments", { json: wanted });
    tell(text("started", { id: made.id }));
    await changed();
  } catch (refused) {
    tell(refused.message, "error");
  }
}

/** The current experiment, or null. */
export function showExperiment(found) {
  experiment = found;
  const runs = found?.running ?? false;
  at("experiment-runs").hidden = !runs;
  at("start").hidden = runs;
  say(at("experiment-name"), found ? name(found) : "");
  say(at("outcome"), outcome(found));
  at("outcome").dataset.outcome = found?.verdict ?? "none";
  say(at("outcome-why"), why(found));
  if (!found) return;
  showWarnings(found.warnings);
  showDifference(found.accuracy_difference);
  showShare(found);
  showFacts(found);
}

/** What users said of this experiment, beside it. */
export function showUsers(view) {
  for (const version of VERSIONS) {
    const { counted = 0, correct = 0 } = view?.versions[version] ?? {};
    const share = counted ? percent(correct / counted, 1) : text("none");
    fill(at(`users-${version}`), { counted: number(counted), correct: number(correct), share });
  }
  const known = view && view.difference.high - view.difference.low < 2;
  say(at("users-difference"), known
    ? text("users_difference", { interval: inPoints(view.difference) })
    : text("users_few"));
}

/** All experiments, the newest first. */
export function showExperiments(found) {
  list(at("experiments"), at("experiment-row"), found, (row, each) => fill(row, {
    id: each.id,
    started: when(each.started_at),
    ended: each.running ? text("runs") : `${when(each.ended_at)}, ${ended(each)}`,
    verdict: text(`short_${each.verdict}`),
    requests: number(each.requests),
    labels: number(each.labels.all),
  }));
}

function name(found) {
  return found.running
    ? text("experiment", { id: found.id })
    : text("experiment_ended", { id: found.id, reason: ended(found) });
}

function ended(found) {
  return text(`end_${found.end_reason}`);
}

function outcome(found) {
  if (!found) return text("outcome_none");
  if (found.verdict === "collecting" && !found.running) return text("outcome_inconclusive");
  return text(`outcome_${found.verdict}`);
}

function why(found) {
  if (!found) return text("why_none");
  if (found.verdict === "invalid") return text("why_invalid", { reason: textFor("invalid", found.reason) });
  if (found.verdict === "equivalent") return text("why_equivalent");
  if (found.winner) return text("why_winner", { at: when(found.winner.named_at) });
  if (!found.running) return text("why_stopped");
  return found.labels_needed === null
    ? text("why_unclear")
    : text("why_collecting", { labels: number(found.labels_needed) });
}

function showWarnings(warnings) {
  at("warnings").hidden = warnings.length === 0;
  at("warnings").replaceChildren(...warnings.map((warning) => {
    const item = document.createElement("li");
    item.textContent = textFor("warning", warning);
    return item;
  }));
}

function showDifference({ low, high }) {
  const most = Math.min(1, Math.max(0.01, Math.abs(low), Math.abs(high)) * 1.1);
  const place = (selector, from, to) => {
    const part = document.querySelector(`.difference ${selector}`);
    part.style.left = `${50 + (50 * from) / most}%`;
    part.style.width = `${Math.max(0, (50 * (to - from)) / most)}%`;
  };
  place(".negligible", -0.003, 0.003);
  place(".lost", Math.min(low, 0), Math.min(high, 0));
  place(".won", Math.max(low, 0), Math.max(high, 0));
  say(at("difference-least"), points(-most));
  say(at("difference-most"), points(most));
  say(at("difference-words"), inPoints({ low, high }));
}

function inPoints({ low, high }) {
  return text("points", { low: points(low), high: points(high) });
}

function showFacts(found) {
  const { labels, served, sample_ratio_mismatch: draws } = found;
  const needed = found.labels_needed ?? (found.running && found.verdict === "collecting" ? text("unclear") : text("no_more"));
  const facts = {
    requests: number(found.requests),
    served: text("v1_and_v2", { v1: number(served.v1), v2: number(served.v2) }),
    disagreements: number(found.disagreements),
    labelled: number(labels.disagreements),
    informative: number(labels.informative),
    audit: number(labels.audit),
    skipped: text("skipped_erased", { skipped: number(labels.skipped), erased: number(labels.erased) }),
    needed,
    "e-value": found.e_value > 1e6 ? text("over_a_million") : number(found.e_value, found.e_value < 100 ? 2 : 0),
    mismatch: draws.p_value === null ? text("none") : number(draws.p_value, 3),
    weight: percent(found.weight, found.weight < 0.1 ? 1 : 0),
    unit: text(`unit_${found.unit}`),
  };
  for (const [fact, words] of Object.entries(facts)) say(at(`fact-${fact}`), words);
}

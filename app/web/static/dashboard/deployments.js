// What serves, what served, going back; new models beside their predecessors.

import { number, tell, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { askFirst } from "../confirm_button.js";
import { at, fill, list, named, points, say, VERSIONS, when } from "./dom.js";

const deployments = new Map();
let models = [];
let people = new Map();

/** Take what the buttons ask for; `changed` is called after an action. */
export function begin(changed) {
  for (const version of VERSIONS) {
    const button = at(`serving-${version}`).querySelector("button");
    askFirst(button, text("rollback_sure", { version }), async () => {
      const made = await call("POST", `/admin/versions/${version}/rollback`);
      tell(text("deployed", { model: named(made.model), version }));
      await changed();
    });
  }
  begin.changed = changed;
}

/** Who is who, by the ids of accounts. */
export function knowPeople(names) {
  people = names;
}

/** All deployments, the newest first. */
export function showDeployments(found) {
  deployments.clear();
  for (const each of found) deployments.set(each.id, each);
  show();
}

/** One more deployment. */
export function showDeployment(made) {
  deployments.set(made.id, made);
  show();
}

/** All models, the newest first. */
export function showModels(found) {
  models = found;
  list(at("models"), at("model-row"), found, writeModel);
}

/** Newly deployed models beside their predecessors. */
export function showGuards(found) {
  at("no-guards").hidden = found.length > 0;
  at("guards-box").hidden = found.length === 0;
  list(at("guards"), at("guard-row"), found, (row, guard) => {
    const { low, high } = guard.accuracy_difference;
    fill(row, {
      version: guard.version,
      model: nameOf(guard.model_id),
      predecessor: text("beside", { model: nameOf(guard.predecessor_id) }),
      outcome: text(`guard_${guard.outcome ?? "open"}`),
      requests: number(guard.requests),
      disagreements: number(guard.disagreements),
      labels: number(guard.labels),
      gained: text("points", { low: points(low), high: points(high) }),
    });
  });
}

function show() {
  const found = [...deployments.values()].sort((one, other) => other.id - one.id);
  for (const version of VERSIONS) {
    const last = found.find((each) => each.version === version);
    if (!last) continue;
    fill(at(`serving-${version}`), { model: named(last.model), since: text("since", { at: when(last.created_at) }) });
    say(at(version).querySelector('[data-field="model"]'), named(last.model));
  }
  list(at("deployments"), at("deployment-row"), found, (row, each) => fill(row, {
    version: each.version,
    model: named(each.model),
    reason: trigger(each.reason),
    at: when(each.created_at),
    by: each.user_id === null ? text("by_itself") : people.get(each.user_id) ?? text("account", { id: each.user_id }),
  }));
}

function trigger(reason) {
  const [, id] = /^retrain (\d+)$/.exec(reason) ?? [];
  return id ? text("trigger_retrain", { id }) : textFor("trigger", reason);
}

function writeModel(row, model) {
  fill(row, { model: named(model), at: when(model.created_at), standing: standing(model) });
  for (const button of row.querySelectorAll("button")) {
    const version = button.value;
    button.disabled = model.rejection !== null || model.serves.includes(version);
    button.setAttribute("aria-label", `${named(model)}: ${version}`);
    if (row.dataset.ready) continue;
    askFirst(button, text("deploy_sure", { version }), async () => {
      const made = await call("POST", `/admin/models/${model.id}/deploy`, { json: { version } });
      tell(text("deployed", { model: named(made.model), version }));
      await begin.changed();
    });
  }
  row.dataset.ready = "yes";
}

function standing(model) {
  const parts = [];
  if (model.serves.length) parts.push(text("standing_serves", { versions: model.serves.join(", ") }));
  if (model.shipped) parts.push(text("standing_shipped"));
  else if (model.version) parts.push(text("standing_trained", { version: model.version }));
  if (model.rejection !== null) parts.push(text("standing_rejected", { reason: model.rejection }));
  return parts.join("; ");
}

function nameOf(id) {
  const model = models.find((each) => each.id === id);
  return model ? named(model) : `#${id}`;
}

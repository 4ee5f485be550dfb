// Shows what is in production, deployments, models and guarded rollouts; deploys and rolls back.

import { requireConfirmation } from "../confirm_button.js";
import { number, showToast, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { byId, fill, formatPoints, formatTime, modelName, renderRows, setText, VERSIONS } from "./dom.js";

const deployments = new Map();
let models = [];
let usernames = new Map();

/** Connect the buttons; `changed` is called after an action. */
export function init(changed) {
  for (const version of VERSIONS) {
    const button = byId(`serving-${version}`).querySelector("button");
    requireConfirmation(button, text("confirm_rollback", { version }), async () => {
      const deployment = await call("POST", `/admin/versions/${version}/rollback`);
      showToast(text("deployed", { model: modelName(deployment.model), version }));
      await changed();
    });
  }
  init.changed = changed;
}

/** Set the usernames, by the ids of accounts. */
export function setUsernames(names) {
  usernames = names;
}

/** Show all deployments, newest first. */
export function showDeployments(found) {
  deployments.clear();
  for (const each of found) deployments.set(each.id, each);
  show();
}

/** Add a deployment. */
export function showDeployment(deployment) {
  deployments.set(deployment.id, deployment);
  show();
}

/** Show all models, newest first. */
export function showModels(found) {
  models = found;
  renderRows(byId("models"), byId("model-row"), found, renderModel);
}

/** Show the guarded rollouts. */
export function showRollouts(found) {
  byId("no-rollouts").hidden = found.length > 0;
  byId("rollouts-box").hidden = found.length === 0;
  renderRows(byId("rollouts"), byId("rollout-row"), found, (row, rollout) => {
    const { low, high } = rollout.accuracy_difference;
    fill(row, {
      version: rollout.version,
      model: modelNameById(rollout.model_id),
      predecessor: text("versus", { model: modelNameById(rollout.predecessor_id) }),
      outcome: text(`rollout_${rollout.outcome ?? "open"}`),
      requests: number(rollout.requests),
      disagreements: number(rollout.disagreements),
      labels: number(rollout.labels),
      gained: text("points", { low: formatPoints(low), high: formatPoints(high) }),
    });
  });
}

function show() {
  const found = [...deployments.values()].sort((one, other) => other.id - one.id);
  for (const version of VERSIONS) {
    const current = found.find((each) => each.version === version);
    if (!current) continue;
    fill(byId(`serving-${version}`), { model: modelName(current.model), since: text("since", { at: formatTime(current.created_at) }) });
    setText(byId(version).querySelector('[data-field="model"]'), modelName(current.model));
  }
  renderRows(byId("deployments"), byId("deployment-row"), found, (row, each) => fill(row, {
    version: each.version,
    model: modelName(each.model),
    reason: trigger(each.reason),
    at: formatTime(each.created_at),
    by: each.user_id === null ? text("automatic") : usernames.get(each.user_id) ?? text("account", { id: each.user_id }),
  }));
}

function trigger(reason) {
  const [, id] = /^retrain (\d+)$/.exec(reason) ?? [];
  return id ? text("trigger_retrain", { id }) : textFor("trigger", reason);
}

function renderModel(row, model) {
  fill(row, { model: modelName(model), at: formatTime(model.created_at), status: modelStatus(model) });
  for (const button of row.querySelectorAll("button")) {
    const version = button.value;
    button.disabled = model.rejection_reason !== null || model.deployed_as.includes(version);
    button.setAttribute("aria-label", text("deploy_model", { model: modelName(model), version }));
    if (row.dataset.ready) continue;
    requireConfirmation(button, text("confirm_deploy", { version }), async () => {
      const deployment = await call("POST", `/admin/models/${model.id}/deploy`, { json: { version } });
      showToast(text("deployed", { model: modelName(deployment.model), version }));
      await init.changed();
    });
  }
  row.dataset.ready = "yes";
}

function modelStatus(model) {
  const parts = [];
  if (model.deployed_as.length) parts.push(text("status_in_production", { versions: model.deployed_as.join(", ") }));
  if (model.is_bundled) parts.push(text("status_built_in"));
  else if (model.version) parts.push(text("status_trained", { version: model.version }));
  if (model.rejection_reason !== null) parts.push(text("status_rejected", { reason: model.rejection_reason }));
  return parts.join("; ");
}

function modelNameById(id) {
  const model = models.find((each) => each.id === id);
  return model ? modelName(model) : `#${id}`;
}

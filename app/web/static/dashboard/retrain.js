// Starts training runs and shows their progress, gates and history.

import { requireConfirmation } from "../confirm_button.js";
import { number, percent, showToast, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { byId, fill, formatPoints, formatTime, renderRows, setText } from "./dom.js";

const OPEN = ["queued", "running"];
const ACCURACIES = ["candidate", "baseline"];
const jobs = new Map();
let selected = null; // the id of the job whose outcome is shown; null for the newest

/** Connect the form and the buttons. */
export function init() {
  byId("retrain").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    const { version, deploy } = event.target.elements;
    try {
      const json = { version: version.value, deploy: deploy.value };
      const { job_id: id } = await call("POST", "/admin/retrain", { json });
      selected = null;
      showJob(await call("GET", `/admin/retrain/${id}`));
    } catch (error) {
      showToast(error.message, "error");
    } finally {
      button.disabled = openJob() !== undefined;
    }
  });
  requireConfirmation(byId("retrain-cancel"), text("confirm_cancel"), async () => {
    showJob(await call("POST", `/admin/retrain/${openJob().id}/cancel`));
  });
  byId("retrains").addEventListener("click", (event) => {
    const row = event.target.closest("button") && event.target.closest("tr");
    if (!row) return;
    selected = Number(row.dataset.id);
    showOutcome();
  });
  byId("retrain-log").addEventListener("toggle", showLog);
}

/** Show all jobs, as GET /admin/retrain returns them. */
export function showJobs(found) {
  jobs.clear();
  for (const job of found) jobs.set(job.id, job);
  show();
}

/** Add or update a job. */
export function showJob(job) {
  jobs.set(job.id, job);
  show();
}

function openJob() {
  return [...jobs.values()].find((job) => OPEN.includes(job.status));
}

function newestFirst() {
  return [...jobs.values()].sort((one, other) => other.id - one.id);
}

function show() {
  const open = openJob();
  byId("retrain").querySelector("button").disabled = open !== undefined;
  byId("retrain-progress").hidden = open === undefined;
  if (open) showProgress(open);
  byId("no-retrains").hidden = jobs.size > 0;
  byId("retrains-box").hidden = jobs.size === 0;
  renderRows(byId("retrains"), byId("retrain-row"), newestFirst(), (row, job) => fill(row, {
    id: job.id,
    version: job.version,
    at: formatTime(job.created_at),
    status: text(`job_${job.status}`),
  }));
  showOutcome();
}

function showProgress(job) {
  const stage = job.status === "queued" ? "queued" : job.stage ?? "preparing";
  for (const item of document.querySelectorAll(".stages li")) {
    if (item.dataset.stage === stage) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  const bar = byId("retrain-bar");
  if (job.progress === null) bar.removeAttribute("value");
  else bar.value = job.progress;
  const parts = [text("job_name", { id: job.id, version: job.version })];
  if (job.loss !== null) parts.push(text("progress_loss", { loss: number(job.loss, 3) }));
  if (job.seconds_left !== null) parts.push(text("progress_left", { seconds: number(job.seconds_left) }));
  setText(byId("retrain-progress-text"), parts.join(" · "));
}

function showOutcome() {
  const job = selected === null ? newestFirst().find((each) => !OPEN.includes(each.status)) : jobs.get(selected);
  byId("retrain-outcome").hidden = job === undefined || OPEN.includes(job.status);
  if (byId("retrain-outcome").hidden) return;
  if (byId("retrain-outcome").dataset.id !== String(job.id)) byId("retrain-log").open = false;
  byId("retrain-outcome").dataset.id = job.id;
  setText(byId("retrain-name"), text("job_name", { id: job.id, version: job.version }));
  setText(byId("retrain-status"), text(`job_${job.status}`));
  byId("retrain-status").className = job.status === "deployed" || job.status === "ready" ? "good" : "bad";
  setText(byId("retrain-error"), job.error ?? "");
  setText(byId("retrain-label-counts"), job.train_labels === null ? "" : text("label_counts", { train: number(job.train_labels), holdout: number(job.holdout_labels) }));
  byId("gates-box").hidden = job.gates.length === 0;
  renderRows(byId("gates"), byId("gate-row"), job.gates.map((gate, order) => ({ id: `${job.id}-${order}`, ...gate })), (row, gate) => {
    const metrics = Object.entries(gate.metrics).map(([name, value]) => `${textFor("metric", name).replaceAll("_", " ")}: ${formatMetric(name, value)}`);
    fill(row, { name: textFor("gate", gate.name), passed: text(gate.passed ? "gate_passed" : "gate_failed"), summary: gate.summary, metrics: metrics.join(" · ") });
    row.querySelector('[data-field="passed"]').className = gate.passed ? "good" : "bad";
  });
}

/** Format a metric of a gate: a difference of accuracies unless its name says otherwise. */
function formatMetric(name, value) {
  if (name.endsWith("images")) return number(value);
  if (name === "p_value") return number(value, 4);
  return ACCURACIES.includes(name) ? percent(value, 2) : `${formatPoints(value)}%`;
}

async function showLog() {
  if (!byId("retrain-log").open) return;
  try {
    const log = await call("GET", `/admin/retrain/${byId("retrain-outcome").dataset.id}/log`, { as: "text" });
    setText(byId("retrain-log").querySelector("pre"), log || text("empty_log"));
  } catch (error) {
    showToast(error.message, "error");
  }
}

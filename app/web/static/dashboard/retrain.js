// Retrains: asking for one, watching it, its gates, and those before it.

import { number, percent, tell, text, textFor } from "../messages.js";
import { call } from "../session.js";
import { askFirst } from "../confirm_button.js";
import { at, fill, list, points, say, when } from "./dom.js";

const OPEN = ["queued", "running"];
const WHOLE = ["candidate", "other"]; // accuracies
const jobs = new Map();
let shown = null; // the id of the job whose outcome is looked at

/** Take what the buttons ask for. */
export function begin() {
  at("retrain").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    const { version, deploy } = event.target.elements;
    try {
      const json = { version: version.value, deploy: deploy.value };
      const { job_id: id } = await call("POST", "/admin/retrain", { json });
      shown = null;
      showJob(await call("GET", `/admin/retrain/${id}`));
    } catch (refused) {
      tell(refused.message, "error");
    } finally {
      button.disabled = openJob() !== undefined;
    }
  });
  askFirst(at("retrain-cancel"), text("cancel_sure"), async () => {
    showJob(await call("POST", `/admin/retrain/${openJob().id}/cancel`));
  });
  at("retrains").addEventListener("click", (event) => {
    const row = event.target.closest("button") && event.target.closest("tr");
    if (!row) return;
    shown = Number(row.dataset.id);
    showOutcome();
  });
  at("retrain-log").addEventListener("toggle", showLog);
}

/** All jobs, as GET /admin/retrain has them. */
export function showJobs(found) {
  jobs.clear();
  for (const job of found) jobs.set(job.id, job);
  show();
}

/** One job that has moved on. */
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
  at("retrain").querySelector("button").disabled = open !== undefined;
  at("retrain-progress").hidden = open === undefined;
  if (open) showProgress(open);
  at("no-retrains").hidden = jobs.size > 0;
  at("retrains-box").hidden = jobs.size === 0;
  list(at("retrains"), at("retrain-row"), newestFirst(), (row, job) => fill(row, {
    id: job.id,
    version: job.version,
    at: when(job.created_at),
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
  const bar = at("retrain-bar");
  if (job.percent === null) bar.removeAttribute("value");
  else bar.value = job.percent;
  const parts = [text("job_name", { id: job.id, version: job.version })];
  if (job.loss !== null) parts.push(text("progress_loss", { loss: number(job.loss, 3) }));
  if (job.seconds_left !== null) parts.push(text("progress_left", { seconds: number(job.seconds_left) }));
  say(at("retrain-words"), parts.join(" · "));
}

function showOutcome() {
  const job = shown === null ? newestFirst().find((each) => !OPEN.includes(each.status)) : jobs.get(shown);
  at("retrain-outcome").hidden = job === undefined || OPEN.includes(job.status);
  if (at("retrain-outcome").hidden) return;
  if (at("retrain-outcome").dataset.id !== String(job.id)) at("retrain-log").open = false;
  at("retrain-outcome").dataset.id = job.id;
  say(at("retrain-name"), text("job_name", { id: job.id, version: job.version }));
  say(at("retrain-status"), text(`job_${job.status}`));
  at("retrain-status").className = job.status === "deployed" || job.status === "ready" ? "good" : "bad";
  say(at("retrain-error"), job.error ?? "");
  say(at("retrain-taught"), job.lessons === null ? "" : text("job_taught", { train: number(job.lessons), holdout: number(job.holdout) }));
  at("gates-box").hidden = job.gates.length === 0;
  list(at("gates"), at("gate-row"), job.gates.map((gate, order) => ({ id: `${job.id}-${order}`, ...gate })), (row, gate) => {
    const numbers = Object.entries(gate.numbers).map(([name, value]) => `${textFor("metric", name).replaceAll("_", " ")}: ${figure(name, value)}`);
    fill(row, { name: textFor("gate", gate.name), passed: text(gate.passed ? "gate_passed" : "gate_failed"), said: gate.said, numbers: numbers.join(" · ") });
    row.querySelector('[data-field="passed"]').className = gate.passed ? "good" : "bad";
  });
}

/** A number of a gate, which is a difference of accuracies where its name says nothing else. */
function figure(name, value) {
  if (name.endsWith("pictures")) return number(value);
  if (name === "p_value") return number(value, 4);
  return WHOLE.includes(name) ? percent(value, 2) : `${points(value)}%`;
}

async function showLog() {
  if (!at("retrain-log").open) return;
  try {
    const written = await call("GET", `/admin/retrain/${at("retrain-outcome").dataset.id}/log`, { as: "text" });
    say(at("retrain-log").querySelector("pre"), written || text("empty_log"));
  } catch (refused) {
    tell(refused.message, "error");
  }
}

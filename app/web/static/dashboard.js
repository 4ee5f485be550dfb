// Runs the dashboard: fetches everything at each connection, then follows live events.

import * as alerts from "./dashboard/alerts.js";
import * as deployments from "./dashboard/deployments.js";
import { byId, setText } from "./dashboard/dom.js";
import * as retrain from "./dashboard/retrain.js";
import { syncedFetch } from "./dashboard/state_sync.js";
import * as traffic from "./dashboard/traffic.js";
import * as verdict from "./dashboard/verdict.js";
import * as versions from "./dashboard/versions.js";
import { init as initExplanations } from "./explanations.js";
import { subscribe } from "./live.js";
import { requireLogin } from "./login.js";
import { showToast, text } from "./messages.js";
import { call } from "./session.js";

const SLOW_REFRESH_MS = 10_000;

let usernames = new Map();
let isScheduled = false;

const fetchReport = syncedFetch(() => call("GET", "/admin/report"), (report) => {
  traffic.showVersions(report.versions);
  traffic.showFeedback(report);
  showComparison(report);
});
const fetchExperiments = syncedFetch(
  () => call("GET", "/admin/experiments"),
  ({ experiments }) => verdict.showExperiments(experiments),
);
const fetchRetrains = syncedFetch(() => call("GET", "/admin/retrain"), ({ jobs }) => retrain.showJobs(jobs));
const fetchAlerts = syncedFetch(() => call("GET", "/admin/alerts"), ({ alerts: found }) => alerts.showAlerts(found));
const fetchServing = syncedFetch(
  () => getAll("/admin/users?limit=500", "/admin/models", "/admin/deployments"),
  ([{ users }, { models }, { deployments: made }]) => {
    usernames = new Map(users.map((user) => [user.id, user.username]));
    deployments.setUsernames(usernames);
    deployments.showModels(models);
    deployments.showDeployments(made);
  },
);
const fetchSlowState = syncedFetch(
  () => getAll("/admin/rollouts", "/admin/users/reviewers"),
  ([{ rollouts }, { reviewers }]) => {
    deployments.showRollouts(rollouts);
    alerts.showReviewers(reviewers, usernames);
  },
);

initExplanations();

requireLogin(async (me) => {
  traffic.init();
  verdict.init(refresh);
  versions.init();
  retrain.init();
  deployments.init(refresh);
  alerts.init(me);
  byId("download-csv").addEventListener("click", saveAsCsv);
  await refresh();
  subscribe({
    traffic: handle(fetchReport, traffic.showTraffic),
    feedback: handle(fetchReport, traffic.showFeedback),
    experiment: handle(fetchReport, handleExperiment),
    retrain: handle(fetchRetrains, handleRetrain),
    deployment: handle(fetchServing, handleDeployment),
    alert: handle(fetchAlerts, alerts.showAlert),
  }, refresh, showConnection);
});

function refresh() {
  return showErrors(async () => {
    await Promise.all([fetchReport(), fetchExperiments(), fetchRetrains(), fetchServing(), fetchAlerts()]);
    await fetchSlowState();
  });
}

async function showErrors(action) {
  try {
    await action();
  } catch (error) {
    showToast(error.message, "error");
  }
}

function getAll(...paths) {
  return Promise.all(paths.map((path) => call("GET", path)));
}

function handle(load, show) {
  return (event) => {
    load.markStale();
    show(event);
  };
}

function showComparison(found) {
  const { experiment } = found;
  verdict.showExperiment(experiment);
  verdict.showUserFeedback(found.user_feedback);
  versions.showVersions(found.versions);
  traffic.showRequests(experiment?.requests ?? 0, experiment?.disagreements ?? 0);
}

/** Labels change rollouts and reviewers too, which no event carries. */
function handleExperiment(found) {
  showComparison(found);
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(() => {
    isScheduled = false;
    if (byId("connection").dataset.state === "live") showErrors(fetchSlowState);
  }, SLOW_REFRESH_MS);
}

function handleRetrain(job) {
  retrain.showJob(job);
  if (job.finished_at) showErrors(fetchServing);
}

function handleDeployment(deployment) {
  deployments.showDeployment(deployment);
  showErrors(async () => {
    await Promise.all([fetchServing(), fetchExperiments()]);
    await fetchSlowState();
  });
}

function showConnection(state) {
  const indicator = byId("connection");
  indicator.dataset.state = state;
  setText(indicator, text(`state_${state}`));
  if (state !== "live") traffic.clearRates();
}

function saveAsCsv() {
  return showErrors(async () => {
    const csv = await call("GET", "/admin/report?format=csv", { as: "text" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    link.download = "report.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

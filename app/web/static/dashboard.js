// The dashboard: reads everything at each connection, then lives on events.

import * as deployments from "./dashboard/deployments.js";
import { at, say } from "./dashboard/dom.js";
import * as people from "./dashboard/alerts.js";
import { reading } from "./dashboard/state_sync.js";
import * as retrain from "./dashboard/retrain.js";
import * as traffic from "./dashboard/traffic.js";
import * as verdict from "./dashboard/verdict.js";
import * as versions from "./dashboard/versions.js";
import { open } from "./login.js";
import { init as initExplanations } from "./explanations.js";
import { listen } from "./live.js";
import { tell, text } from "./messages.js";
import { call } from "./session.js";

const WATCHED_EVERY_MS = 10_000;

let names = new Map();
let isPlanned = false;

const readReport = reading(() => call("GET", "/admin/report"), (report) => {
  traffic.showVersions(report.versions);
  traffic.showWords(report);
  showComparison(report);
});
const readExperiments = reading(
  () => call("GET", "/admin/experiments"),
  ({ experiments }) => verdict.showExperiments(experiments),
);
const readRetrains = reading(() => call("GET", "/admin/retrain"), ({ jobs }) => retrain.showJobs(jobs));
const readAlerts = reading(() => call("GET", "/admin/alerts"), ({ alerts }) => people.showAlerts(alerts));
const readServing = reading(
  () => all("/admin/users?limit=500", "/admin/models", "/admin/deployments"),
  ([{ users }, { models }, { deployments: made }]) => {
    names = new Map(users.map((user) => [user.id, user.username]));
    deployments.knowPeople(names);
    deployments.showModels(models);
    deployments.showDeployments(made);
  },
);
const readWatched = reading(
  () => all("/admin/guards", "/admin/users/reviewers"),
  ([{ guards }, { reviewers }]) => {
    deployments.showGuards(guards);
    people.showReviewers(reviewers, names);
  },
);

initExplanations();

open(async (me) => {
  traffic.begin();
  verdict.begin(refresh);
  versions.begin();
  retrain.begin();
  deployments.begin(refresh);
  people.begin(me);
  at("as-csv").addEventListener("click", saveAsCsv);
  await refresh();
  listen({
    traffic: hear(readReport, traffic.showTraffic),
    feedback: hear(readReport, traffic.showWords),
    experiment: hear(readReport, moveComparison),
    retrain: hear(readRetrains, moveRetrain),
    deployment: hear(readServing, moveDeployment),
    alert: hear(readAlerts, people.showAlert),
  }, refresh, showState);
});

function refresh() {
  return quietly(async () => {
    await Promise.all([readReport(), readExperiments(), readRetrains(), readServing(), readAlerts()]);
    await readWatched();
  });
}

async function quietly(read) {
  try {
    await read();
  } catch (refused) {
    tell(refused.message, "error");
  }
}

function all(...paths) {
  return Promise.all(paths.map((path) => call("GET", path)));
}

function hear(read, show) {
  return (event) => {
    read.heard();
    show(event);
  };
}

function showComparison(found) {
  const { experiment } = found;
  verdict.showExperiment(experiment);
  verdict.showUsers(found.users_view);
  versions.showVersions(found.versions);
  traffic.showRequests(experiment?.requests ?? 0, experiment?.disagreements ?? 0);
}

/** Labels move guards and reviewers too, which no event carries. */
function moveComparison(found) {
  showComparison(found);
  if (isPlanned) return;
  isPlanned = true;
  setTimeout(() => {
    isPlanned = false;
    if (at("connection").dataset.state === "live") quietly(readWatched);
  }, WATCHED_EVERY_MS);
}

function moveRetrain(job) {
  retrain.showJob(job);
  if (job.finished_at) quietly(readServing);
}

function moveDeployment(made) {
  deployments.showDeployment(made);
  quietly(async () => {
    await Promise.all([readServing(), readExperiments()]);
    await readWatched();
  });
}

function showState(state) {
  const pill = at("connection");
  pill.dataset.state = state;
  say(pill, text(`state_${state}`));
  if (state !== "live") traffic.lose();
}

function saveAsCsv() {
  return quietly(async () => {
    const written = await call("GET", "/admin/report?format=csv", { as: "text" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([written], { type: "text/csv" }));
    link.download = "report.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

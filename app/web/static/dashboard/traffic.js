// Shows traffic: request rates, totals, latencies, disagreements and pending reviews.

import { number, percent, text } from "../messages.js";
import { axis, chart } from "./charts.js";
import { byId, fill, setText, VERSIONS } from "./dom.js";

const WINDOW_S = 300;
const times = [];
const rates = { v1: [], v2: [] };
const latest = { v1: null, v2: null };
let redraw = null;

/** Create the chart; it gets a point each second. */
export function init() {
  redraw = chart(byId("traffic-chart"), (color) => ({
    scales: { x: { time: false, range: [-WINDOW_S, 0] }, y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1)] } },
    axes: [
      axis(color, (s) => (s === 0 ? text("now") : text("minutes_ago", { minutes: number(s / 60) })), { incrs: [60], size: 28 }),
      axis(color, (rate) => number(rate, rate < 5 && rate % 1 ? 1 : 0), { size: 44 }),
    ],
    series: [{}, ...VERSIONS.map((version) => ({ stroke: color(`--${version}`), width: 2, points: { show: false } }))],
  }), [[], [], []]);
  setInterval(tick, 1000);
}

/** Show the versions' totals and latencies, from the report or an event. */
export function showVersions(versions) {
  for (const version of VERSIONS) {
    const { served, latency_ms: latency } = versions[version];
    fill(byId(`traffic-${version}`), { served: number(served), p50: formatLatency(latency.p50), p99: formatLatency(latency.p99) });
  }
}

/** Show a traffic event. */
export function showTraffic(event) {
  showVersions(event.versions);
  for (const version of VERSIONS) {
    latest[version] = event.versions[version].per_second;
    fill(byId(`traffic-${version}`), { per_second: number(latest[version], 1) });
  }
  setText(byId("requests-per-second"), number(latest.v1 + latest.v2, 1));
  setText(byId("pending-reviews"), number(event.pending_reviews));
  showRequests(event.requests, event.disagreements);
}

/** Show that the rates are unknown, while the live connection is lost. */
export function clearRates() {
  for (const version of VERSIONS) {
    latest[version] = null;
    fill(byId(`traffic-${version}`), { per_second: text("none") });
  }
  setText(byId("requests-per-second"), text("none"));
}

/** Show the experiment's requests and disagreements. */
export function showRequests(requests, disagreements) {
  setText(byId("experiment-requests"), number(requests));
  setText(byId("disagreement-count"), number(disagreements));
  setText(byId("disagreement-rate"), requests ? percent(disagreements / requests, 1) : "");
}

/** Show the totals of user feedback. */
export function showFeedback(totals) {
  const { total_feedback: total = 0, correct_feedback: correct = 0 } = totals;
  setText(byId("feedback-count"), number(total));
  setText(byId("feedback-correct"), total ? text("rated_correct", { share: percent(correct / total) }) : "");
}

function tick() {
  const now = Date.now() / 1000;
  times.push(now);
  for (const version of VERSIONS) rates[version].push(latest[version]);
  while (times[0] < now - WINDOW_S) {
    times.shift();
    for (const version of VERSIONS) rates[version].shift();
  }
  redraw([times.map((time) => time - now), rates.v1, rates.v2]);
}

function formatLatency(ms) {
  return ms === null ? text("none") : text("ms", { ms: number(ms, ms < 10 ? 1 : 0) });
}

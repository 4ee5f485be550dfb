// What is served: how many answers a second, how many in all, how fast, and what waits.

import { number, percent, text } from "../messages.js";
import { axis, chart } from "./charts.js";
import { at, fill, say, VERSIONS } from "./dom.js";

const SHOWN_S = 300;
const times = [];
const rates = { v1: [], v2: [] };
const latest = { v1: null, v2: null };
let redraw = null;

/** Begin to draw; a point each second. */
export function begin() {
  redraw = chart(at("traffic-chart"), (colour) => ({
    scales: { x: { time: false, range: [-SHOWN_S, 0] }, y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] } },
    axes: [
      axis(colour, (s) => (s === 0 ? text("now") : text("minutes_ago", { minutes: number(s / 60) })), { incrs: [60], size: 28 }),
      axis(colour, (rate) => number(rate, rate < 5 && rate % 1 ? 1 : 0), { size: 44 }),
    ],
    series: [{}, ...VERSIONS.map((version) => ({ stroke: colour(`--${version}`), width: 2, points: { show: false } }))],
  }), [[], [], []]);
  setInterval(tick, 1000);
}

/** The versions' totals and latencies, as the report or an event has them. */
export function showVersions(versions) {
  for (const version of VERSIONS) {
    const { served, latency_ms: latency } = versions[version];
    fill(at(`traffic-${version}`), { served: number(served), p50: took(latency.p50), p99: took(latency.p99) });
  }
}

/** An event of traffic. */
export function showTraffic(event) {
  showVersions(event.versions);
  for (const version of VERSIONS) {
    latest[version] = event.versions[version].per_second;
    fill(at(`traffic-${version}`), { per_second: number(latest[version], 1) });
  }
  say(at("rate-now"), number(latest.v1 + latest.v2, 1));
  say(at("waiting-now"), number(event.waiting));
  showRequests(event.requests, event.disagreements);
}

/** Nothing is heard any more: the rates are not known until something is. */
export function lose() {
  for (const version of VERSIONS) {
    latest[version] = null;
    fill(at(`traffic-${version}`), { per_second: text("none") });
  }
  say(at("rate-now"), text("none"));
}

/** How many requests the experiment had, and on how many the versions differed. */
export function showRequests(requests, disagreements) {
  say(at("requests-now"), number(requests));
  say(at("disagreements-now"), number(disagreements));
  say(at("disagreements-share"), requests ? percent(disagreements / requests, 1) : "");
}

/** What people said in all. */
export function showWords(told) {
  const { total_feedback: total = 0, correct_feedback: correct = 0 } = told;
  say(at("words-now"), number(total));
  say(at("words-right"), total ? text("right_of", { share: percent(correct / total) }) : "");
}

function tick() {
  const now = Date.now() / 1000;
  times.push(now);
  for (const version of VERSIONS) rates[version].push(latest[version]);
  while (times[0] < now - SHOWN_S) {
    times.shift();
    for (const version of VERSIONS) rates[version].shift();
  }
  redraw([times.map((time) => time - now), rates.v1, rates.v2]);
}

function took(ms) {
  return ms === null ? text("none") : text("ms", { ms: number(ms, ms < 10 ? 1 : 0) });
}

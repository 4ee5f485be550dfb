// Provides the page's texts in its language, number and time formats, and toasts.

const texts = {}; // from the JSON blocks that the templates fill
for (const block of document.querySelectorAll('script[type="application/json"]')) {
  Object.assign(texts, JSON.parse(block.textContent));
}

/** Return a text by its key, with {names} filled in. */
export function text(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Return the text for a value from the server, such as the name of a gate; the value itself where there is none. */
export function textFor(kind, value) {
  return texts[`${kind}_${value.replace(/\W+/g, "_")}`] ?? value;
}

const language = document.documentElement.lang;

/** Format a number. */
export function number(value, digits = 0) {
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Format a share in 0..1 as a percentage. */
export function percent(share, digits = 0) {
  return share.toLocaleString(language, {
    style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}

/** Format a date and time given as ISO 8601. */
export function formatDateTime(iso) {
  return new Date(iso).toLocaleString(language, { dateStyle: "short", timeStyle: "medium" });
}

/** Format a delay from now: "in 3 minutes". */
export function formatDelay(seconds) {
  const [span, unit] = seconds < 90 ? [1, "second"] : seconds < 5400 ? [60, "minute"] : [3600, "hour"];
  return new Intl.RelativeTimeFormat(language).format(Math.ceil(seconds / span), unit);
}

/** Show a message for a few seconds; `kind` is "error" or empty. */
export function showToast(message, kind = "") {
  const toast = document.createElement("p");
  toast.className = `toast ${kind}`;
  toast.textContent = message;
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), 6000);
}

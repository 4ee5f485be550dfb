// The page's texts, in its language: the JSON blocks that the templates fill.

const texts = {};
for (const block of document.querySelectorAll('script[type="application/json"]')) {
  Object.assign(texts, JSON.parse(block.textContent));
}

/** A text by its key, with {names} filled in. */
export function text(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The text for a value that the server sends, such as the name of a gate; the value itself where there is none. */
export function textFor(kind, value) {
  return texts[`${kind}_${value.replace(/\W+/g, "_")}`] ?? value;
}

const language = document.documentElement.lang;

/** A number as this language writes it. */
export function number(value, digits = 0) {
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A share in 0..1 as a percentage. */
export function percent(share, digits = 0) {
  return share.toLocaleString(language, {
    style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}

/** A moment, given as ISO 8601, as people write it. */
export function moment(iso) {
  return new Date(iso).toLocaleString(language, { dateStyle: "short", timeStyle: "medium" });
}

/** So many seconds from now, as people say it: "in 3 minutes". */
export function later(seconds) {
  const [span, unit] = seconds < 90 ? [1, "second"] : seconds < 5400 ? [60, "minute"] : [3600, "hour"];
  return new Intl.RelativeTimeFormat(language).format(Math.ceil(seconds / span), unit);
}

/** Tell something in passing; `kind` is "error" or nothing. */
export function tell(words, kind = "") {
  const toast = document.createElement("p");
  toast.className = `toast ${kind}`;
  toast.textContent = words;
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), 6000);
}

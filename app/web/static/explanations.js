// Opens the explanation of a term beside its button: on mouse hover, keyboard focus, click or tap.

const GAP_PX = 8;
const HIDE_DELAY_MS = 200; // time for the mouse to move from the button into the explanation

let hideTimer = null; // one is enough: the browser shows one such popover at a time

/** Connect every explanation button with its popover. */
export function init() {
  for (const button of document.querySelectorAll(".explain")) {
    const popover = document.getElementById(button.getAttribute("popovertarget"));
    button.addEventListener("click", () => show(popover, button));
    button.addEventListener("focus", () => { if (button.matches(":focus-visible")) show(popover, button); });
    button.addEventListener("blur", ({ relatedTarget }) => { if (relatedTarget) popover.hidePopover(); });
    button.addEventListener("pointerenter", ({ pointerType }) => { if (pointerType === "mouse") show(popover, button); });
    button.addEventListener("pointerleave", (event) => hideSoon(popover, event));
  }
  for (const popover of document.querySelectorAll(".explanation")) {
    popover.addEventListener("pointerenter", () => clearTimeout(hideTimer));
    popover.addEventListener("pointerleave", (event) => hideSoon(popover, event));
  }
}

function show(popover, button) {
  clearTimeout(hideTimer);
  if (!popover.matches(":popover-open")) popover.showPopover();
  const anchor = button.getBoundingClientRect();
  const { width, height } = popover.getBoundingClientRect();
  const rightmost = document.documentElement.clientWidth - width - GAP_PX;
  const isBelow = anchor.bottom + GAP_PX + height <= innerHeight || anchor.top < height + GAP_PX;
  const top = isBelow ? anchor.bottom + GAP_PX : anchor.top - GAP_PX - height;
  popover.style.left = `${scrollX + Math.max(GAP_PX, Math.min(anchor.left, rightmost))}px`;
  popover.style.top = `${scrollY + top}px`;
}

function hideSoon(popover, { pointerType }) {
  if (pointerType !== "mouse") return;
  clearTimeout(hideTimer);
  hideTimer = setTimeout(() => popover.hidePopover(), HIDE_DELAY_MS);
}

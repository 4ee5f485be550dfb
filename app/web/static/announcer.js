// Announces to screen readers what the page shows in another way.

/** Announce a message. */
export function announce(message) {
  document.getElementById("announcer").textContent = message;
}

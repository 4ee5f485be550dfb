// What a screen reader is told, where the page shows it otherwise.

/** Say something to those who do not see the page. */
export function speak(words) {
  document.getElementById("spoken").textContent = words;
}

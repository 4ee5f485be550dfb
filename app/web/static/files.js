// Receives image files: dropped anywhere on the page, pasted, chosen, or taken with the camera.

const MAX_BYTES = 15 * 1024 * 1024;
const MAX_PIXELS = 4_000_000;
const RESIZED_PX = 1600;

/** Call `handle` with each file that is received. */
export function onFile(inputs, handle) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      if (input.files[0]) handle(input.files[0]);
      input.value = "";
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData.files[0]) handle(clipboardData.files[0]);
  });
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!event.dataTransfer.files[0]) return;
    event.preventDefault();
    handle(event.dataTransfer.files[0]);
  });
}

/**
 * Return the file as the server accepts it: an image with too many pixels or bytes is made smaller.
 * A file that the browser cannot open is returned as it is, for the server to judge; null where it
 * is too large.
 */
export async function fitToLimits(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  const isSmall = file.size <= MAX_BYTES;
  if (!bitmap) return isSmall ? file : null;
  if (isSmall && bitmap.width * bitmap.height <= MAX_PIXELS) return file;
  return resize(bitmap);
}

function resize(bitmap) {
  const scale = Math.min(1, RESIZED_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // behind transparent pixels
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.92); });
}

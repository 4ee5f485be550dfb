// Pictures from outside: dropped anywhere on the page, pasted, chosen, or taken with the camera.

const MOST_BYTES = 5 * 1024 * 1024;
const MOST_PIXELS = 4_000_000;
const SHRUNK_PX = 1600;

/** Have each file that comes in handed to `take`. */
export function receive(inputs, take) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      if (input.files[0]) take(input.files[0]);
      input.value = "";
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData.files[0]) take(clipboardData.files[0]);
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
    take(event.dataTransfer.files[0]);
  });
}

/**
 * The file as the server takes it: a photograph of too many points or bytes is made smaller. One
 * that the browser cannot open is left as it is, for the server to judge; null where that is too large.
 */
export async function fit(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  const isSmall = file.size <= MOST_BYTES;
  if (!bitmap) return isSmall ? file : null;
  if (isSmall && bitmap.width * bitmap.height <= MOST_PIXELS) return file;
  return shrink(bitmap);
}

function shrink(bitmap) {
  const scale = Math.min(1, SHRUNK_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((give) => { canvas.toBlob(give, "image/jpeg", 0.92); });
}

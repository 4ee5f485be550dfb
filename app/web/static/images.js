// Fetches the 28x28 model inputs of one's predictions, each once.

import { fetchImage } from "./session.js";

const urls = new Map(); // promises of object URLs, by prediction id

/** Return the URL of a prediction's image. Throws ApiError. */
export function getImageUrl(predictionId) {
  if (!urls.has(predictionId)) {
    const fetched = fetchImage(`/predictions/${predictionId}/image`);
    fetched.catch(() => urls.delete(predictionId));
    urls.set(predictionId, fetched);
  }
  return urls.get(predictionId);
}

/** Release a prediction's image. */
export function releaseImage(predictionId) {
  urls.get(predictionId)?.then(URL.revokeObjectURL, () => {});
  urls.delete(predictionId);
}

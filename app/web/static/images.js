// What the models saw: the 28x28 images of one's predictions, fetched once each.

import { picture } from "./session.js";

const urls = new Map();

/** The URL of a prediction's image. Throws ApiError. */
export function imageOf(predictionId) {
  if (!urls.has(predictionId)) {
    const fetched = picture(`/predictions/${predictionId}/image`);
    fetched.catch(() => urls.delete(predictionId));
    urls.set(predictionId, fetched);
  }
  return urls.get(predictionId);
}

/** Let a prediction's image go. */
export function forgetImage(predictionId) {
  urls.get(predictionId)?.then(URL.revokeObjectURL, () => {});
  urls.delete(predictionId);
}

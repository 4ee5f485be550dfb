// Keeps state that is fetched over HTTP in order with events: an older response never replaces a newer event.

const MAX_FETCHES = 3; // where events come that often, the next one corrects what is shown

/**
 * Return a function that fetches something and shows it. Its `markStale` is to be called at each
 * event about the same: a response that was under way then is outdated, and is fetched again.
 */
export function syncedFetch(load, show) {
  let isFetching = false;
  let isStale = false;

  async function refetch() {
    isStale = true;
    if (isFetching) return;
    isFetching = true;
    try {
      for (let attempt = 1; isStale; attempt += 1) {
        isStale = false;
        const found = await load();
        if (attempt === MAX_FETCHES) isStale = false;
        if (!isStale) show(found);
      }
    } finally {
      isFetching = false;
    }
  }

  refetch.markStale = () => { isStale = true; };
  return refetch;
}

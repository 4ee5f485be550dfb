// State that is read over HTTP while events tell of it too: what was read never hides what was heard.

const MOST_TURNS = 3; // where events come that often, the next one mends it

/**
 * A function that reads something and shows it. Its `heard` is to be called at each event of the
 * same: what was being read then is older, and is read again.
 */
export function reading(read, show) {
  let isReading = false;
  let isOutdated = false;

  async function readAnew() {
    isOutdated = true;
    if (isReading) return;
    isReading = true;
    try {
      for (let turn = 1; isOutdated; turn += 1) {
        isOutdated = false;
        const found = await read();
        if (turn === MOST_TURNS) isOutdated = false;
        if (!isOutdated) show(found);
      }
    } finally {
      isReading = false;
    }
  }

  readAnew.heard = () => { isOutdated = true; };
  return readAnew;
}

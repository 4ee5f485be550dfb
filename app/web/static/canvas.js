// The sheet: strokes of ink by mouse, finger or pen, and the picture that they make.

const PICTURE_PX = 280;
const NIB = 0.065; // of the sheet's width

export class Sheet {
  #canvas;
  #changed;
  #strokes = [];
  #pointer = null;
  #isRead = false;

  /** `changed` is called after every stroke, undo and clear. */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#go(event));
    canvas.addEventListener("pointerup", (event) => this.#end(event));
    canvas.addEventListener("pointercancel", (event) => this.#end(event));
    new ResizeObserver(() => this.#paint()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
  }

  get isEmpty() {
    return this.#strokes.length === 0;
  }

  /** Whether there is ink that nobody has read yet. */
  get isFresh() {
    return !this.isEmpty && !this.#isRead;
  }

  /** Take the last stroke back; what is left can be read again. */
  undo() {
    this.#strokes.pop();
    this.#isRead = false;
    this.#show();
  }

  clear() {
    this.#strokes = [];
    this.#isRead = false;
    this.#show();
  }

  /** Let the ink fade; the next stroke begins a new digit. */
  setRead() {
    this.#isRead = true;
    this.#show();
  }

  /** What is drawn, dark on white, as a PNG blob. */
  picture() {
    const paper = document.createElement("canvas");
    paper.width = paper.height = PICTURE_PX;
    const context = paper.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, PICTURE_PX, PICTURE_PX);
    ink(context, this.#strokes, PICTURE_PX, "#111");
    return new Promise((give) => { paper.toBlob(give, "image/png"); });
  }

  #begin(event) {
    if (event.button !== 0 || this.#pointer !== null) return;
    if (this.#isRead) this.clear();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#strokes.push([this.#point(event)]);
    this.#paint();
  }

  #go(event) {
    if (event.pointerId !== this.#pointer) return;
    const passed = event.getCoalescedEvents();
    this.#strokes.at(-1).push(...(passed.length ? passed : [event]).map((each) => this.#point(each)));
    this.#paint();
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#changed();
  }

  #point(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const weight = event.pointerType === "pen" ? 0.5 + event.pressure : 1;
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height, weight };
  }

  #show() {
    this.#paint();
    this.#changed();
  }

  #paint() {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    this.#canvas.width = this.#canvas.height = side;
    const context = this.#canvas.getContext("2d");
    ink(context, this.#strokes, side, getComputedStyle(this.#canvas).color);
  }
}

function ink(context, strokes, size, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    const points = stroke.map(({ x, y, weight }) => ({ x: x * size, y: y * size, width: weight * NIB * size }));
    if (points.length === 1) blot(context, points[0]);
    else trace(context, points);
  }
}

function blot(context, { x, y, width }) {
  context.beginPath();
  context.arc(x, y, width / 2, 0, 2 * Math.PI);
  context.fill();
}

// A curve through the middles between the points, which bends at the points: smooth at any speed.
function trace(context, points) {
  let from = points[0];
  points.forEach((point, index) => {
    const next = points[index + 1] ?? point;
    const to = { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    context.lineWidth = point.width;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.quadraticCurveTo(point.x, point.y, to.x, to.y);
    context.stroke();
    from = to;
  });
}

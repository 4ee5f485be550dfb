// Records strokes drawn by mouse, finger or pen, and renders them as an image.

const IMAGE_PX = 280;
const STROKE_WIDTH = 0.065; // of the canvas's width

export class DrawingCanvas {
  #canvas;
  #onChange;
  #strokes = [];
  #pointer = null;
  #isRecognized = false;

  /** Draw on a canvas; `onChange` is called after every stroke, undo and clear. */
  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.#onChange = onChange;
    canvas.addEventListener("pointerdown", (event) => this.#startStroke(event));
    canvas.addEventListener("pointermove", (event) => this.#continueStroke(event));
    canvas.addEventListener("pointerup", (event) => this.#endStroke(event));
    canvas.addEventListener("pointercancel", (event) => this.#endStroke(event));
    new ResizeObserver(() => this.#paint()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
  }

  get isEmpty() {
    return this.#strokes.length === 0;
  }

  /** Whether there is a drawing that was not recognized yet. */
  get hasNewDrawing() {
    return !this.isEmpty && !this.#isRecognized;
  }

  /** Remove the last stroke; what is left can be recognized again. */
  undo() {
    this.#strokes.pop();
    this.#isRecognized = false;
    this.#update();
  }

  clear() {
    this.#strokes = [];
    this.#isRecognized = false;
    this.#update();
  }

  /** Mark the drawing as recognized; the next stroke starts a new digit. */
  markRecognized() {
    this.#isRecognized = true;
    this.#update();
  }

  /** Return the drawing, dark on white, as a PNG blob; at once, as the browser's own toBlob does not. */
  toBlob() {
    const image = document.createElement("canvas");
    image.width = image.height = IMAGE_PX;
    const context = image.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, IMAGE_PX, IMAGE_PX);
    drawStrokes(context, this.#strokes, IMAGE_PX, "#111");
    const base64 = image.toDataURL("image/png").split(",")[1];
    return new Blob([Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0))], { type: "image/png" });
  }

  #startStroke(event) {
    if (event.button !== 0 || this.#pointer !== null) return;
    if (this.#isRecognized) this.clear();
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#strokes.push([this.#toPoint(event)]);
    this.#paint();
  }

  #continueStroke(event) {
    if (event.pointerId !== this.#pointer) return;
    const coalesced = event.getCoalescedEvents();
    this.#strokes.at(-1).push(...(coalesced.length ? coalesced : [event]).map((each) => this.#toPoint(each)));
    this.#paint();
  }

  #endStroke(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#onChange();
  }

  #toPoint(event) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const weight = event.pointerType === "pen" ? 0.5 + event.pressure : 1;
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height, weight };
  }

  #update() {
    this.#paint();
    this.#onChange();
  }

  #paint() {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    this.#canvas.width = this.#canvas.height = side;
    const context = this.#canvas.getContext("2d");
    drawStrokes(context, this.#strokes, side, getComputedStyle(this.#canvas).color);
  }
}

function drawStrokes(context, strokes, size, color) {
  context.strokeStyle = context.fillStyle = color;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    const points = stroke.map(({ x, y, weight }) => ({ x: x * size, y: y * size, width: weight * STROKE_WIDTH * size }));
    if (points.length === 1) drawDot(context, points[0]);
    else drawCurve(context, points);
  }
}

function drawDot(context, { x, y, width }) {
  context.beginPath();
  context.arc(x, y, width / 2, 0, 2 * Math.PI);
  context.fill();
}

// Draws quadratic curves between the midpoints, with the points as control points: smooth at any speed.
function drawCurve(context, points) {
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

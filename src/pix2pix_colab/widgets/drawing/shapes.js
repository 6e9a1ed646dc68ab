// The shapes of a drawing, from the lowest to the topmost, and its history. Nothing here needs a browser.

/**
 * @typedef {{kind: "rectangle", label: number, x: number, y: number, width: number, height: number}} Rectangle in px
 * @typedef {{kind: "stroke", label: number, radius: number, points: number[]}} Stroke of a brush: x, y, x, y, …
 * @typedef {{kind: "pixels", labels: Uint8Array}} Pixels a whole label map that is too complicated for rectangles
 * @typedef {Rectangle | Stroke | Pixels} Shape with a label, the index of its class
 * @typedef {[number, number]} Point x and y in px of the label map
 */

export const LEAST = 3; // px; a rectangle that is smaller both ways is a slip of the finger

/** The largest radius of a brush, in px. @param {number} size of the label map */
export const largestRadius = (size) => Math.floor(size / 8);

/** The rectangle between two corners, whichever they are, both included.
 * @param {Point} from @param {Point} to @param {number} label
 * @returns {Rectangle}
 */
export function rectangleBetween([x, y], [u, v], label) {
  const size = { width: Math.abs(u - x) + 1, height: Math.abs(v - y) + 1 };
  return { kind: "rectangle", label, x: Math.min(x, u), y: Math.min(y, v), ...size };
}

/** The index of the topmost shape at a point, or -1. The lowest stays if it covers half of the map: an empty wall.
 * @param {Shape[]} shapes @param {Point} point @param {number} size of the label map
 */
export function shapeAt(shapes, point, size) {
  const i = shapes.findLastIndex((shape) => contains(shape, point));
  return i === 0 && coversHalf(shapes[0], size) ? -1 : i;
}

/** Whether a shape is a wall rather than a part of one. @param {Shape} shape @param {number} size of the label map */
export const coversHalf = (shape, size) =>
  shape.kind === "pixels" || (shape.kind === "rectangle" && shape.width * shape.height > size ** 2 / 2);

function contains(shape, [x, y]) {
  if (shape.kind === "pixels") return true;
  if (shape.kind === "rectangle") {
    return x >= shape.x && y >= shape.y && x < shape.x + shape.width && y < shape.y + shape.height;
  }
  return segments(shape).some(([a, b, c, d]) => distance(x, y, a, b, c, d) <= shape.radius);
}

/** The lines that a stroke consists of: x and y of both ends of each. A single point is a line, too.
 * @param {Stroke} stroke
 * @returns {[number, number, number, number][]}
 */
export function segments({ points }) {
  const count = Math.max(1, points.length / 2 - 1);
  return Array.from({ length: count }, (_, i) => {
    const [x, y, u = x, v = y] = points.slice(2 * i, 2 * i + 4);
    return [x, y, u, v];
  });
}

/** The distance of a point (x, y) from the line between (a, b) and (c, d). */
export function distance(x, y, a, b, c, d) {
  const length = (c - a) ** 2 + (d - b) ** 2;
  const along = length ? Math.min(1, Math.max(0, ((x - a) * (c - a) + (y - b) * (d - b)) / length)) : 0;
  return Math.hypot(x - a - along * (c - a), y - b - along * (d - b));
}

/** The least rectangle around a shape.
 * @param {Rectangle | Stroke} shape
 */
export function boundsOf(shape) {
  if (shape.kind === "rectangle") return shape;
  const [xs, ys] = [0, 1].map((axis) => shape.points.filter((_, i) => i % 2 === axis));
  const [x, y] = [Math.min(...xs) - shape.radius, Math.min(...ys) - shape.radius];
  return { x, y, width: Math.max(...xs) + shape.radius - x, height: Math.max(...ys) + shape.radius - y };
}

/** A shape some px to the right and down, but never so far that nothing of it is left within the map.
 * @param {Rectangle | Stroke} shape @param {number} right @param {number} down @param {number} size
 */
export function moved(shape, right, down, size) {
  const { x, y, width, height } = boundsOf(shape);
  const by = [within(right, x, width, size), within(down, y, height, size)];
  if (shape.kind === "rectangle") return { ...shape, x: x + by[0], y: y + by[1] };
  return { ...shape, points: shape.points.map((each, i) => each + by[i % 2]) };
}

const within = (by, start, length, size) => Math.min(size - 1 - start, Math.max(1 - length - start, by));

/** The shapes of a drawing now, and as they were before and after. */
export class History {
  /** @param {Shape[]} shapes */
  constructor(shapes) {
    this.states = [shapes];
    this.now = 0;
  }

  get shapes() {
    return this.states[this.now];
  }

  /** @param {Shape[]} shapes of a new state; what was undone is forgotten */
  push(shapes) {
    this.states = [...this.states.slice(Math.max(0, this.now - 199), this.now + 1), shapes];
    this.now = this.states.length - 1;
  }

  get canUndo() {
    return this.now > 0;
  }

  get canRedo() {
    return this.now < this.states.length - 1;
  }

  undo() {
    if (this.canUndo) this.now -= 1;
  }

  redo() {
    if (this.canRedo) this.now += 1;
  }
}

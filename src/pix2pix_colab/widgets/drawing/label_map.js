// Label maps: one class index a pixel. From shapes, from and to colours. Nothing here needs a browser.

import { segments } from "./shapes.js";

/**
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {[number, number, number]} Colour red, green and blue, 0 to 255
 */

/** Paint shapes one over the other.
 * @param {Shape[]} shapes @param {number} size of the map, in px @param {number} fill the class where no shape is
 * @returns {Uint8Array} size × size labels
 */
export function rasterise(shapes, size, fill) {
  return paintOver(new Uint8Array(size * size).fill(fill), shapes, size);
}

/** Paint shapes over a label map, which is changed.
 * @param {Uint8Array} labels @param {Shape[]} shapes @param {number} size
 */
export function paintOver(labels, shapes, size) {
  for (const shape of shapes) {
    if (shape.kind === "rectangle") fillRectangle(labels, size, shape);
    else if (shape.kind === "stroke") fillStroke(labels, size, shape);
    else labels.set(shape.labels);
  }
  return labels;
}

function fillRectangle(labels, size, { label, x, y, width, height }) {
  const [left, right] = [Math.max(0, x), Math.max(0, Math.min(size, x + width))];
  for (let row = Math.max(0, y); row < Math.min(size, y + height); row++) {
    labels.fill(label, row * size + left, row * size + right);
  }
}

function fillStroke(labels, size, stroke) {
  for (const line of segments(stroke)) {
    const [, b, , d] = line;
    const first = Math.max(0, Math.ceil(Math.min(b, d) - stroke.radius));
    const last = Math.min(size - 1, Math.floor(Math.max(b, d) + stroke.radius));
    for (let y = first; y <= last; y++) {
      const [left, right] = rowOf(line, stroke.radius, y);
      const [from, to] = [Math.max(0, Math.ceil(left)), Math.min(size, Math.floor(right) + 1)];
      if (from < to) labels.fill(stroke.label, y * size + from, y * size + to);
    }
  }
}

/** Where a row y crosses the points that are within a radius of a line: a disc at each end, and a rectangle between.
 * @returns {[number, number]} the first x and the last, as these points are convex
 */
function rowOf([a, b, c, d], radius, y) {
  const xs = [];
  for (const [x, middle] of [[a, b], [c, d]]) {
    const half = Math.sqrt(radius ** 2 - (y - middle) ** 2);
    if (half >= 0) xs.push(x - half, x + half);
  }
  const scale = radius / (Math.hypot(c - a, d - b) || 1);
  const [u, v] = [(b - d) * scale, (c - a) * scale]; // across the line
  const corners = [[a + u, b + v], [c + u, d + v], [c - u, d - v], [a - u, b - v]];
  corners.forEach(([x, top], i) => {
    const [other, bottom] = corners[(i + 1) % 4];
    if ((top - y) * (bottom - y) < 0) xs.push(x + ((y - top) / (bottom - top)) * (other - x));
  });
  return [Math.min(...xs), Math.max(...xs)];
}

/** The colours of a label map, as a canvas takes them.
 * @param {Uint8Array} labels @param {Colour[]} palette
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA
 */
export function toPixels(labels, palette) {
  const pixels = new Uint8ClampedArray(labels.length * 4).fill(255);
  labels.forEach((label, i) => pixels.set(palette[label], 4 * i));
  return pixels;
}

/** The class of each pixel of an image: the nearest, as of nearest_classes in data/label_maps.py.
 *
 * JPEG blurs the edges of a label map, and what lies between two colours may be near that of a third. So a pixel that is
 * not near a class gets the most frequent one around it. In an image that is no label map each gets the nearest.
 *
 * @param {Uint8ClampedArray} pixels RGBA @param {number} size @param {Colour[]} palette
 * @returns {{labels: Uint8Array, near: number}} and the share of pixels whose colour is near that of a class
 */
export function fromPixels(pixels, size, palette) {
  const labels = new Uint8Array(size * size);
  const open = [];
  const known = new Map(); // a label map has few colours
  for (let i = 0; i < labels.length; i++) {
    const colour = /** @type {Colour} */ ([pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]]);
    const key = (colour[0] << 16) | (colour[1] << 8) | colour[2];
    if (!known.has(key)) known.set(key, nearest(colour, palette));
    const [label, apart] = known.get(key);
    labels[i] = label;
    if (apart > NEAR) open.push(i);
  }
  const near = 1 - open.length / labels.length;
  if (near >= LABEL_MAP) fillIn(labels, size, open);
  return { labels, near };
}

export const NEAR = 30; // levels; JPEG moves a colour by less within a part. NEAR in data/label_maps.py
export const LABEL_MAP = 0.5; // the least share of near pixels in a label map. MIN_SHARE there

function nearest(colour, palette) {
  const apart = palette.map((each) => Math.hypot(...each.map((value, i) => value - colour[i])));
  const least = Math.min(...apart);
  return [apart.indexOf(least), least];
}

/** Give open pixels the class that is most frequent around them, beginning next to those that have one. */
function fillIn(labels, size, open) {
  const known = new Uint8Array(labels.length).fill(1);
  for (const i of open) known[i] = 0;
  while (open.length) {
    const found = new Map();
    for (const i of open) {
      const label = mostAround(i, labels, size, known);
      if (label >= 0) found.set(i, label);
    }
    for (const [i, label] of found) [labels[i], known[i]] = [label, 1];
    open = open.filter((i) => !known[i]);
  }
}

/** The label with the most weight among the known pixels at most 2 px away, where nearer ones have more; -1 for none. */
function mostAround(at, labels, size, known) {
  const [x, y] = [at % size, (at / size) | 0];
  const weights = new Map();
  for (let v = Math.max(0, y - 2); v <= Math.min(size - 1, y + 2); v++) {
    for (let u = Math.max(0, x - 2); u <= Math.min(size - 1, x + 2); u++) {
      const i = v * size + u;
      if (known[i]) weights.set(labels[i], (weights.get(labels[i]) ?? 0) + 1 / Math.hypot(u - x, v - y));
    }
  }
  return [...weights].reduce((a, b) => (b[1] > a[1] ? b : a), [-1, 0])[0];
}

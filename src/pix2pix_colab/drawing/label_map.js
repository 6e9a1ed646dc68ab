// Label maps: one class index a pixel. From shapes, from and to colours. Nothing here needs a browser.

import { segments, distance } from "./shapes.js";

/**
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {[number, number, number]} Colour red, green and blue, 0 to 255
 */

/** Paint shapes one over the other.
 * @param {Shape[]} shapes @param {number} size of the map, in px @param {number} fill the class where no shape is
 * @returns {Uint8Array} size × size labels
 */
export function rasterise(shapes, size, fill) {
  const labels = new Uint8Array(size * size).fill(fill);
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
  const { label, radius } = stroke;
  const clip = (value) => Math.min(size - 1, Math.max(0, Math.round(value)));
  for (const [a, b, c, d] of segments(stroke)) {
    const [left, right] = [clip(Math.min(a, c) - radius), clip(Math.max(a, c) + radius)];
    const [top, bottom] = [clip(Math.min(b, d) - radius), clip(Math.max(b, d) + radius)];
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) if (distance(x, y, a, b, c, d) <= radius) labels[y * size + x] = label;
    }
  }
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

/** The nearest class of each pixel.
 * @param {Uint8ClampedArray} pixels RGBA @param {Colour[]} palette
 * @returns {{labels: Uint8Array, near: number}} and the share of pixels whose colour is near that of a class
 */
export function fromPixels(pixels, palette) {
  const labels = new Uint8Array(pixels.length / 4);
  const known = new Map(); // a label map has few colours
  let near = 0;
  for (let i = 0; i < labels.length; i++) {
    const colour = /** @type {Colour} */ ([pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]]);
    const key = (colour[0] << 16) | (colour[1] << 8) | colour[2];
    if (!known.has(key)) known.set(key, nearest(colour, palette));
    const [label, apart] = known.get(key);
    labels[i] = label;
    near += apart < NEAR ? 1 : 0;
  }
  return { labels, near: near / labels.length };
}

const NEAR = 60; // levels; JPEG blurs the edges of a label map

function nearest(colour, palette) {
  const apart = palette.map((each) => Math.hypot(...each.map((value, i) => value - colour[i])));
  const least = Math.min(...apart);
  return [apart.indexOf(least), least];
}

/** The most frequent class around each pixel, the pixel's own if it is among them: removes what JPEG left at edges.
 * @param {Uint8Array} labels @param {number} size @param {number} radius
 */
export function smooth(labels, size, radius = 2) {
  const clip = (value) => Math.min(size - 1, Math.max(0, value));
  return labels.map((own, i) => {
    const counts = new Map([[own, 0.5]]);
    for (let y = -radius; y <= radius; y++) {
      for (let x = -radius; x <= radius; x++) {
        const each = labels[clip(((i / size) | 0) + y) * size + clip((i % size) + x)];
        counts.set(each, (counts.get(each) ?? 0) + 1);
      }
    }
    return [...counts].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  });
}

// A part of usual size, for a click. Nothing here needs a browser.

import { coversHalf } from "./shapes.js";

/**
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {import("./shapes.js").Point} Point
 * @typedef {import("./shapes.js").Rectangle} Rectangle
 */

/** @type {Record<string, [number, number]>} width and height of a facade's parts, as shares of the map */
const USUAL = {
  door: [0.15, 0.22], cornice: [0.9, 0.04], sill: [0.14, 0.03], balcony: [0.2, 0.09], blind: [0.12, 0.06], deco: [0.1, 0.06],
  molding: [0.9, 0.03], pillar: [0.05, 0.5], shop: [0.35, 0.2],
};
const ANY = [0.13, 0.17]; // a window, and parts of other classes

/** The shapes and one more, around a point: as large as most of its class in the drawing, or else as such parts are.
 * @param {import("./tools.js").Setting} setting @param {Point} point
 * @returns {Shape[]}
 */
export function usualPart({ shapes, size, label, name }, [x, y]) {
  const [width, height] = (USUAL[name] ?? ANY).map((share) => Math.max(1, Math.round(share * size)));
  const rectangles = /** @type {Rectangle[]} */ (shapes.filter((shape) => shape.kind === "rectangle" && shape.label === label));
  const whole = (each) => each.width >= width / 4 && each.height >= height / 4 && !coversHalf(each, size); // no sliver of a JPEG
  const sorted = rectangles.filter(whole).toSorted((a, b) => a.width * a.height - b.width * b.height);
  const part = { width, height, ...sorted[sorted.length >> 1], kind: /** @type {const} */ ("rectangle"), label };
  const start = (at, length) => Math.max(0, Math.min(size - length, Math.round(at - length / 2)));
  return [...shapes, { ...part, x: start(x, part.width), y: start(y, part.height) }];
}

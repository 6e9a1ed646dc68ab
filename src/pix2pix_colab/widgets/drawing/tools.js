// What each tool makes of a drag, from a first point to the present one. Nothing here needs a browser.

import { LEAST, moved, rectangleBetween, shapeAt } from "./shapes.js";
import { usualPart } from "./usual.js";

/**
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {import("./shapes.js").Point} Point
 * @typedef {{shapes: Shape[], size: number, label: number, name: string, radius: number}} Setting the shapes before the drag,
 *   the size of the map, and the class, its name, and the radius of what is drawn
 * @typedef {(point: Point) => Shape[]} Drag the shapes when the pointer is at a point; the same array: nothing changed
 * @typedef {{name: string, hint: string, start: (setting: Setting, from: Point) => Drag, tap?: (setting: Setting, at: Point) => Shape[]}} Tool
 *   tap: what a drag makes that leads nowhere
 */

/** @type {Record<string, Tool>} */
export const TOOLS = {
  rectangle: { name: "Rectangle", hint: "Drag from corner to corner, or click", start: drawRectangle, tap: usualPart },
  brush: { name: "Brush", hint: "Paint freely", start: paint },
  move: { name: "Move", hint: "Drag a part, or tap it and delete it", start: move },
};

function drawRectangle({ shapes, label }, from) {
  return (to) => {
    const rectangle = rectangleBetween(from, to, label);
    return Math.max(rectangle.width, rectangle.height) < LEAST ? shapes : [...shapes, rectangle];
  };
}

/** Points closer than half a radius are left out, but for the last: nobody sees them, and the address is short. */
function paint({ shapes, label, radius }, from) {
  const points = [...from];
  return (to) => {
    const away = Math.hypot(to[0] - points.at(-2), to[1] - points.at(-1));
    if (away >= radius / 2) points.push(...to);
    const last = away > 0 && away < radius / 2 ? to : [];
    return [...shapes, { kind: "stroke", label, radius, points: [...points, ...last] }];
  };
}

function move({ shapes, size }, from) {
  const i = shapeAt(shapes, from, size);
  return (to) => {
    const [right, down] = [to[0] - from[0], to[1] - from[1]];
    return i < 0 || (!right && !down) ? shapes : shapes.with(i, moved(shapes[i], right, down, size));
  };
}

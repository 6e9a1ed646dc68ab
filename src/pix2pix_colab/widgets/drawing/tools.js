// What each tool makes of a drag, from a first point to the present one. Nothing here needs a browser.

import { LEAST, coversHalf, moved, rectangleBetween, shapeAt } from "./shapes.js";
import { edgesAt, resized } from "./resize.js";
import { usualPart } from "./usual.js";

/**
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {import("./shapes.js").Point} Point
 * @typedef {{shapes: Shape[], size: number, label: number, name: string, radius: number, selected: number, reach: number}} Setting
 *   the shapes before the drag, the size of the map, the class, its name, and the radius of what is drawn, the index of the
 *   part that is selected, and how near to its edge one holds it, in px
 * @typedef {(point: Point) => Shape[]} Drag the shapes when the pointer is at a point; the same array: nothing changed
 * @typedef {{name: string, hint: string, start: (setting: Setting, from: Point) => Drag, tap?: (setting: Setting, at: Point) => Shape[],
 *   pick?: (setting: Setting, at: Point) => number}} Tool tap: what a drag makes that leads nowhere; pick: the part that it takes
 */

/** @type {Record<string, Tool>} */
export const TOOLS = {
  rectangle: { name: "Rectangle", hint: "Drag from corner to corner, or click", start: drawRectangle, tap: usualPart },
  brush: { name: "Brush", hint: "Paint freely", start: paint },
  move: { name: "Move", hint: "Drag a part, or tap it: then drag its edges, or choose a class", start: move, pick },
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

/** The edges of the selected part that are held: not where another small part lies on top. */
function heldEdges({ shapes, selected, reach, size }, point) {
  const top = shapeAt(shapes, point, size);
  const free = top === selected || top < 0 || coversHalf(shapes[top], size);
  return free ? edgesAt(shapes[selected], point, reach) : null;
}

/** The selected part if it is held by its edge, else the topmost. */
function pick(setting, point) {
  return heldEdges(setting, point) ? setting.selected : shapeAt(setting.shapes, point, setting.size);
}

function move(setting, from) {
  const { shapes, size } = setting;
  const edges = heldEdges(setting, from);
  const i = pick(setting, from);
  return (to) => {
    const [right, down] = [to[0] - from[0], to[1] - from[1]];
    if (i < 0 || (!right && !down)) return shapes;
    return shapes.with(i, edges ? resized(shapes[i], edges, right, down, size) : moved(shapes[i], right, down, size));
  };
}

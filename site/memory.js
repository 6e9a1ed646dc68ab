// What can be undone, kept for a reload of this tab.

import { decodeDrawing, encodeDrawing, fitsAddress } from "./widgets/drawing/address.js";

/**
 * @typedef {import("./widgets/drawing/board.js").Board} Board
 * @typedef {import("./widgets/drawing/shapes.js").Shape} Shape
 */

const KEY = "pix2pix-colab history";
const MOST = 50; // states before, and after
const texts = /** @type {WeakMap<Shape[], string>} */ (new WeakMap());

let kept = /** @type {{states: Shape[][], now: number, shapes: Shape[]} | null} */ (null);

/** Keep the history of a board. @param {Board} board */
export function remember({ history: { states, now }, size }) {
  if (kept?.states === states && kept.now === now && kept.shapes === states[now]) return; // only λ has moved
  kept = { states, now, shapes: states[now] };
  const write = (shapes) => {
    if (!texts.has(shapes)) texts.set(shapes, fitsAddress(shapes) ? encodeDrawing(shapes, size) : "");
    return texts.get(shapes);
  };
  const first = Math.max(0, now - MOST);
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ now: now - first, states: states.slice(first, now + MOST).map(write) }));
  } catch {
    // the browser keeps nothing, or it is too much
  }
}

/** What was before and after a drawing in this tab.
 * @param {string} text of the drawing @param {Board} board
 * @returns {[Shape[][], Shape[][]]}
 */
export function recall(text, { size, palette }) {
  try {
    const { now, states } = JSON.parse(sessionStorage.getItem(KEY));
    if (states[now] !== text) return [[], []];
    const read = (all) => all.filter(Boolean).flatMap((each) => decoded(each, size, palette.length));
    return [read(states.slice(0, now)), read(states.slice(now + 1))];
  } catch {
    return [[], []]; // there is none, or it is damaged
  }
}

/** A drawing, or nothing if it is damaged. */
function decoded(text, size, classes) {
  try {
    return [decodeDrawing(text, size, classes)];
  } catch {
    return [];
  }
}

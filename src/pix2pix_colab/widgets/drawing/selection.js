// What is done to the part that is selected.

import { boundsOf, moved } from "./shapes.js";

/**
 * @typedef {import("./board.js").Board} Board
 * @typedef {import("./shapes.js").Rectangle | import("./shapes.js").Stroke} Part
 */

const APART = 8; // px, of a copy from what it is a copy of
const WAYS = [[1, 1], [-1, -1], [1, -1], [-1, 1], [0, 1], [0, -1], [1, 0], [-1, 0]]; // right and down

/** @param {Board} board @returns {Part | undefined} */
export const selectedPart = (board) => /** @type {Part | undefined} */ (board.shapes[board.selected]);

/** @param {Board} board */
export function removeSelected(board) {
  if (selectedPart(board)) board.draw(board.shapes.toSpliced(board.selected, 1));
}

/** Give it another class. @param {Board} board @param {number} label */
export function relabel(board, label) {
  const { selected, shapes } = board;
  const part = selectedPart(board);
  if (part && part.label !== label) drawAndSelect(board, shapes.with(selected, { ...part, label }), selected);
}

/** Add a copy of a part beside it, and select it. @param {Board} board @param {Part | undefined} part */
export function addCopy(board, part) {
  if (!part) return;
  board.controls.choose("move");
  drawAndSelect(board, [...board.shapes, copyBeside(part, board)], board.shapes.length);
}

/** A copy of a part, so far from it that it lies exactly on no other part, and within the map if it fits there.
 * @param {Part} part @param {{shapes: import("./shapes.js").Shape[], size: number}} drawing
 */
export function copyBeside(part, { shapes, size }) {
  const taken = new Set(shapes.filter(({ kind }) => kind !== "pixels").map(placeOf));
  const copies = WAYS.flatMap(([right, down]) =>
    Array.from({ length: Math.floor(size / APART) }, (_, i) => moved(part, APART * (i + 1) * right, APART * (i + 1) * down, size)),
  ).filter((copy) => !taken.has(placeOf(copy)));
  return copies.find((copy) => isWithin(boundsOf(copy), size)) ?? copies[0] ?? moved(part, APART, APART, size);
}

function placeOf(shape) {
  const { x, y, width, height } = boundsOf(shape);
  return [x, y, width, height].join();
}

const isWithin = ({ x, y, width, height }, size) => x >= 0 && y >= 0 && x + width <= size && y + height <= size;

function drawAndSelect(board, shapes, selected) {
  board.draw(shapes);
  board.select(selected);
  board.canvas.paint();
}

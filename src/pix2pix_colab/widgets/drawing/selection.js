// What is done to the part that is selected.

import { moved } from "./shapes.js";

/**
 * @typedef {import("./board.js").Board} Board
 * @typedef {import("./shapes.js").Rectangle | import("./shapes.js").Stroke} Part
 */

const APART = 8; // px, of a copy from what it is a copy of

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
  drawAndSelect(board, [...board.shapes, moved(part, APART, APART, board.size)], board.shapes.length);
}

function drawAndSelect(board, shapes, selected) {
  board.draw(shapes);
  board.select(selected);
  board.canvas.paint();
}

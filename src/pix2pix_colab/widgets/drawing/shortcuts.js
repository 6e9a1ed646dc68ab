// What a key asks of the board. Nothing here needs a browser.

import { isCommand } from "../keys.js";
import { lambdaKey } from "../lambda_control.js";
import { addCopy, removeSelected, selectedPart } from "./selection.js";
import { TOOLS } from "./tools.js";

/** @typedef {Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">} Keys */

const LETTERS = { r: "rectangle", b: "brush", m: "move" };

/** @param {Keys} keys that are pressed @returns {string} undo, redo, delete, duplicate, a tool, or "" */
export function shortcut({ key, code, ctrlKey, metaKey, shiftKey, altKey }) {
  const command = ctrlKey || metaKey;
  if (!command && ["Delete", "Backspace"].includes(key)) return "delete";
  const latin = /^[a-z]$/i.test(key) ? key : (/^Key([A-Z])$/.exec(code ?? "")?.[1] ?? ""); // of KeyZ, where keys are not Latin
  const letter = latin.toLowerCase();
  if (!command) return (!shiftKey && !altKey && LETTERS[letter]) || "";
  if (letter === "d" && !shiftKey) return "duplicate";
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" && !shiftKey ? "redo" : "";
}

/** @type {Record<string, (board: import("./board.js").Board) => void>} */
const DO = {
  undo: (board) => board.undo(),
  redo: (board) => board.redo(),
  delete: removeSelected,
  duplicate: (board) => addCopy(board, selectedPart(board)),
};

/** What a key does in the whole board, and on its λ.
 * @param {import("./board.js").Board} board @param {KeyboardEvent} event
 * @returns {(() => void) | undefined}
 */
export function actionOf(board, event) {
  const asked = shortcut(event);
  if (asked in TOOLS) return event.target instanceof HTMLSelectElement ? undefined : () => board.controls.choose(asked);
  if (asked === "duplicate" && !selectedPart(board)) return undefined;
  if (asked) return DO[asked].bind(null, board);
  if (event.target !== board.lambda.range || isCommand(event) || event.shiftKey) return undefined;
  const to = lambdaKey(event.key, board.index, board.lambda.stops, board.data.positions.length - 1);
  return to === undefined ? undefined : () => board.move(to);
}

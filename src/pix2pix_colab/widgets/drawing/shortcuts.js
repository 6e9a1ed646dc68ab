// What a key asks of the board. Nothing here needs a browser.

import { isCommand } from "../keys.js";
import { lambdaKey } from "../lambda_control.js";

/** @typedef {Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "shiftKey">} Keys */

/** @param {Keys} keys that are pressed @returns {"undo" | "redo" | "delete" | ""} */
export function shortcut({ key, code, ctrlKey, metaKey, shiftKey }) {
  if (!ctrlKey && !metaKey) return ["Delete", "Backspace"].includes(key) ? "delete" : "";
  const letter = /^[a-z]$/i.test(key) ? key.toLowerCase() : code.slice(-1).toLowerCase(); // of KeyZ, where keys are not Latin
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" && !shiftKey ? "redo" : "";
}

/** What a key does in the whole board, and on its λ.
 * @param {import("./board.js").Board} board @param {KeyboardEvent} event
 * @returns {(() => void) | undefined}
 */
export function actionOf(board, event) {
  const asked = shortcut(event);
  if (asked) return { undo: () => board.undo(), redo: () => board.redo(), delete: () => board.removeSelected() }[asked];
  if (event.target !== board.lambda.range || isCommand(event) || event.shiftKey) return undefined;
  const to = lambdaKey(event.key, board.index, board.lambda.stops, board.data.positions.length - 1);
  return to === undefined ? undefined : () => board.move(to);
}

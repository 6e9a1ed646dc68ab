// What a key asks of the board. Nothing here needs a browser.

/** @typedef {Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "shiftKey">} Keys */

/** @param {Keys} keys that are pressed @returns {"undo" | "redo" | "delete" | ""} */
export function shortcut({ key, code, ctrlKey, metaKey, shiftKey }) {
  if (!ctrlKey && !metaKey) return ["Delete", "Backspace"].includes(key) ? "delete" : "";
  const letter = /^[a-z]$/i.test(key) ? key.toLowerCase() : code.slice(-1).toLowerCase(); // of KeyZ, where keys are not Latin
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" && !shiftKey ? "redo" : "";
}

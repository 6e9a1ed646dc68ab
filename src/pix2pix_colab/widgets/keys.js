// Whose a key is: what the focused control does by itself. What neither it nor the widget uses is the notebook's.

const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

/** Whether Ctrl, ⌘ or Alt is held: then a key is the notebook's or the browser's.
 * @param {KeyboardEvent} event
 */
export const isCommand = ({ ctrlKey, metaKey, altKey }) => ctrlKey || metaKey || altKey;

/** Whether a control does something by itself with a key, so that a notebook shall not take it for a shortcut of its own.
 * @param {EventTarget} target that has the focus
 * @param {KeyboardEvent} event
 */
export function controlUses(target, event) {
  const { key, shiftKey } = event;
  if (isCommand(event) || (shiftKey && MOVES.has(key)) || !(target instanceof Element)) return false;
  const presses = key === " " || (key === "Enter" && !shiftKey);
  if (target.matches("[type=range]")) return MOVES.has(key);
  if (target.matches("[type=radio]")) return key === " " || key.startsWith("Arrow");
  if (target.matches("select")) return presses || MOVES.has(key) || key.length === 1;
  return target.matches("button, [type=file]") && presses;
}

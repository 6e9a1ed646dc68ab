// Gestures on a canvas: wipe, pan, pinch, double click and wheel.

import { change, clamp, zoom, zoomAt } from "./state.js";

/** @import { Ui } from "./state.js" */

/**
 * Drag the divider, pan, pinch; zoom by double click, and by the wheel with Ctrl or ⌘.
 *
 * @param {Ui} ui
 * @param {HTMLCanvasElement} canvas
 */
export function listenToPointers(ui, canvas) {
  /** @type {Map<number, PointerEvent>} the last event of each pointer that is down: fingers, or the mouse */
  const held = new Map();
  let wiping = false;
  canvas.onpointerdown = (event) => {
    if (event.button > 0) return; // another button opens a menu, and then nobody may tell when it is let go
    wiping = held.size === 0 && startsWipe(ui, canvas, event);
    held.set(event.pointerId, event);
    canvas.setPointerCapture(event.pointerId);
    ui.lambda.range.focus({ preventScroll: true }); // so that the arrow keys move λ
    event.preventDefault();
    if (wiping) wipeTo(ui, canvas, event);
  };
  canvas.onpointermove = (event) => {
    const last = held.get(event.pointerId);
    if (!last) return;
    const before = spread(held);
    held.set(event.pointerId, event);
    if (held.size === 2 && before) zoomAt(ui, (ui.state.scale * spread(held)) / before, pointOf(canvas, event));
    else if (held.size > 1) return; // the fingers lay on one point, or are too many
    else if (wiping) wipeTo(ui, canvas, event);
    else pan(ui, canvas, last, event);
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => held.delete(event.pointerId);
  canvas.ondblclick = (event) => zoomAt(ui, ui.state.scale > 1 ? 1 : 4, pointOf(canvas, event));
  canvas.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
    event.preventDefault();
    zoomAt(ui, ui.state.scale * Math.exp(-event.deltaY / 100), pointOf(canvas, event));
  };
}

/**
 * Of the pointer, as shares of the canvas's width and height.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 * @returns {[number, number]}
 */
function pointOf(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

/**
 * Anywhere on the whole image; on a zoomed one near the divider, since elsewhere a drag pans.
 *
 * @param {Ui} ui
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 */
function startsWipe({ state }, canvas, event) {
  const near = Math.abs(pointOf(canvas, event)[0] - state.divider) * canvas.clientWidth < 24;
  return state.view === "wipe" && (near || state.scale === 1);
}

/**
 * @param {Ui} ui
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 */
function wipeTo(ui, canvas, event) {
  change(ui, { divider: clamp(pointOf(canvas, event)[0], 0, 1) });
}

/**
 * @param {Ui} ui
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} from
 * @param {MouseEvent} to
 */
function pan(ui, canvas, from, to) {
  const { scale, x, y } = ui.state;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  zoom(ui, scale, x - (to.clientX - from.clientX) / width, y - (to.clientY - from.clientY) / height);
}

/**
 * The distance between two fingers, in px.
 *
 * @param {Map<number, PointerEvent>} held
 */
function spread(held) {
  const [a, b = a] = held.values();
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}

// Gestures on a canvas: wipe, pan, pinch, double click and wheel.

import { patchAt } from "./critic.js";
import { clamp } from "./numbers.js";

/** @import { Slider } from "./slider.js" */

/**
 * Drag the divider, pan, pinch; zoom by double click, and by the wheel with Ctrl or ⌘.
 *
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 */
export function listenToPointers(slider, canvas) {
  /** @type {Map<number, PointerEvent>} the last event of each pointer that is down: fingers, or the mouse */
  const held = new Map();
  let wiping = false;
  canvas.onpointerdown = (event) => {
    if (event.button > 0) return; // another button opens a menu, and then nobody may tell when it is let go
    wiping = held.size === 0 && startsWipe(slider, canvas, event);
    held.set(event.pointerId, event);
    if (event.pointerType === "touch") point(slider, canvas, event);
    canvas.setPointerCapture(event.pointerId);
    slider.lambda.range.focus({ preventScroll: true }); // so that the arrow keys move λ
    event.preventDefault();
    if (wiping) wipeTo(slider, canvas, event);
  };
  canvas.onpointermove = (event) => {
    const last = held.get(event.pointerId);
    if (!last) return point(slider, canvas, event);
    const before = spread(held);
    held.set(event.pointerId, event);
    if (held.size === 2 && before) slider.zoomAt((slider.state.scale * spread(held)) / before, pointOf(canvas, event));
    else if (held.size > 1) return; // the fingers lay on one point, or are too many
    else if (wiping) wipeTo(slider, canvas, event);
    else pan(slider, canvas, last, event);
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => held.delete(event.pointerId);
  canvas.onpointerleave = ({ pointerType }) => pointerType === "mouse" && slider.state.patch >= 0 && slider.change({ patch: -1 });
  canvas.ondblclick = (event) => slider.zoomAt(slider.state.scale > 1 ? 1 : 4, pointOf(canvas, event));
  canvas.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
    event.preventDefault();
    slider.zoomAt(slider.state.scale * Math.exp(-event.deltaY / 100), pointOf(canvas, event));
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
 * Frame the patch of the critic under the pointer.
 *
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 */
function point(slider, canvas, event) {
  const { bitmaps, image, index, state, verdicts } = slider;
  if (state.view !== "critic") return;
  const [u, v] = pointOf(canvas, event);
  const { width, height } = bitmaps.sources[image];
  const [x, y] = [state.x + (u - 0.5) / state.scale, state.y + (v - 0.5) / state.scale]; // shares of the image
  slider.change({ patch: patchAt(verdicts.outputs[index][image], x * width, y * height) });
}

/**
 * Anywhere on the whole image; on a zoomed one near the divider, since elsewhere a drag pans.
 *
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 */
function startsWipe({ state }, canvas, event) {
  const near = Math.abs(pointOf(canvas, event)[0] - state.divider) * canvas.clientWidth < 24;
  return state.view === "wipe" && (near || state.scale === 1);
}

/**
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} event
 */
function wipeTo(slider, canvas, event) {
  slider.change({ divider: clamp(pointOf(canvas, event)[0], 0, 1) });
}

/**
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {MouseEvent} from
 * @param {MouseEvent} to
 */
function pan(slider, canvas, from, to) {
  const { scale, x, y } = slider.state;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  slider.zoom(scale, x - (to.clientX - from.clientX) / width, y - (to.clientY - from.clientY) / height);
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

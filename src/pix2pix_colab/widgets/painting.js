// Painting: a canvas shows the zoomed part of an image, two of them wiped or subtracted, or one framed.

import { paintVerdicts } from "./critic.js";

/**
 * @import { Slider } from "./slider.js"
 *
 * @typedef {object} Pane of the stage
 * @property {string} caption
 * @property {ImageBitmap} bitmap
 * @property {ImageBitmap} [over] wiped over it, or subtracted
 * @property {Uint8Array} [verdicts] of the critic, painted over it
 * @property {boolean} [main] whether it is the one to look at
 * @property {boolean} [current] whether it is the λ shown, among others
 * @property {(slider: Slider, canvas: HTMLCanvasElement, pane: Pane) => void} [paint] in place of `paint`
 */

/**
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} bitmap
 * @returns {CanvasRenderingContext2D}
 */
export function paint(slider, canvas, bitmap) {
  const { scale, x, y } = slider.state;
  const [width, height] = [bitmap.width / scale, bitmap.height / scale];
  const [left, top] = [x * bitmap.width - width / 2, y * bitmap.height - height / 2];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = canvas.width < width * 3; // far in, pixels are shown as they are
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return context;
}

/**
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {Pane} pane
 */
export function paintWipe(slider, canvas, pane) {
  const at = Math.round(slider.state.divider * canvas.width);
  const context = paint(slider, canvas, pane.bitmap);
  context.save();
  context.beginPath();
  context.rect(at, 0, canvas.width - at, canvas.height);
  context.clip();
  paint(slider, canvas, pane.over);
  context.restore();
  const line = (/** @type {string} */ colour, /** @type {number} */ half) => {
    context.fillStyle = colour;
    context.fillRect(at - half * devicePixelRatio, 0, 2 * half * devicePixelRatio, canvas.height);
  };
  line("#0006", 2); // seen on white, too
  line("#fff", 1);
}

/**
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {Pane} pane
 */
export function paintFramed(slider, canvas, pane) {
  const context = paint(slider, canvas, pane.bitmap);
  const width = 3 * devicePixelRatio;
  context.strokeStyle = getComputedStyle(canvas.previousElementSibling).color;
  context.lineWidth = width;
  context.strokeRect(width / 2, width / 2, canvas.width - width, canvas.height - width);
}

/**
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {Pane} pane
 */
export function paintCritic(slider, canvas, { bitmap, verdicts }) {
  const context = paint(slider, canvas, bitmap);
  const { state } = slider;
  const zoom = (state.scale * canvas.width) / bitmap.width; // px of the canvas for one of the image
  const [left, top] = [state.x * bitmap.width * zoom - canvas.width / 2, state.y * bitmap.height * zoom - canvas.height / 2];
  context.save();
  context.setTransform(zoom, 0, 0, zoom, -left, -top);
  paintVerdicts(context, verdicts, state.patch);
  context.restore();
}

/**
 * @param {Slider} slider
 * @param {HTMLCanvasElement} canvas
 * @param {Pane} pane
 */
export function paintDifference(slider, canvas, pane) {
  const context = paint(slider, canvas, pane.bitmap);
  context.globalCompositeOperation = "difference";
  paint(slider, canvas, pane.over);
  context.globalCompositeOperation = "lighter"; // added to itself: twice as bright, or else it's hard to see
  context.drawImage(canvas, 0, 0);
  context.globalCompositeOperation = "source-over";
}

// The state of a slider, and every way to change it. After each change `ui.show` shows the whole state.

/**
 * @import { LambdaControl, Position } from "./lambda_control.js"
 * @import { Encoded } from "./images.js"
 *
 * @typedef {object} Data what LambdaSlider.__init__ in widget.py sends
 * @property {string} mime the type of all images
 * @property {Position[]} positions one for each λ
 * @property {Encoded[][]} outputs by position and test image
 * @property {Encoded[]} sources by test image
 * @property {Encoded[]} targets by test image; empty if they are unknown
 * @property {string[]} names by test image
 * @property {{name: string, values: (number | null)[]}[]} metrics each with a value for each position; null: not measured
 * @property {string} caption of the metrics
 *
 * @typedef {object} Model of anywidget, or of page.html
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {() => void} save_changes
 * @property {(name: string, callback: () => void) => void} on
 * @property {(name: string, callback: () => void) => void} off
 *
 * @typedef {object} State
 * @property {string} view side, wipe, difference or all
 * @property {number | "target"} against which position B of the wipe is, or the target
 * @property {number} divider between A and B, as a share of the width
 * @property {number} scale 1 shows the whole image
 * @property {number} x the middle of the part shown, as a share of the image's width
 * @property {number} y and of its height
 *
 * @typedef {object} Ui a slider on the screen
 * @property {Model} model
 * @property {Data} data
 * @property {HTMLElement} root
 * @property {LambdaControl} lambda
 * @property {HTMLSelectElement} select of `against`
 * @property {HTMLElement} stage
 * @property {HTMLInputElement} divider
 * @property {(selector: string) => any} find an element
 * @property {boolean} known whether there are targets
 * @property {boolean} path whether there is something between the stops
 * @property {State} state
 * @property {{sources: ImageBitmap[], targets: ImageBitmap[], outputs: ImageBitmap[][]}} bitmaps empty until decoded
 * @property {ResizeObserver} resized paints the stage anew
 * @property {{index: number, image: number}} sizes how many there are of each
 * @property {() => void} show
 * @property {number} index of the λ shown
 * @property {number} image index of the test image shown
 */

export const ZOOM = { least: 1, most: 8, step: 2 };

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 * @returns {number}
 */
export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/**
 * @param {number} i
 * @param {number} count
 * @returns {number} the nearest index of so many; 0, if it is no number
 */
export const within = (i, count) => clamp(Math.round(i) || 0, 0, count - 1);

/**
 * Change the state. Of what is no number where one should be, as of a pointer on a slider without a size, nothing is taken.
 *
 * @param {Ui} ui
 * @param {Partial<State>} changes
 */
export function change(ui, changes) {
  if (Object.values(changes).some(Number.isNaN)) return;
  Object.assign(ui.state, changes);
  ui.show();
}

/**
 * To another λ (index) or test image (image); Python and other views of the widget are told.
 *
 * @param {Ui} ui
 * @param {{index?: number, image?: number}} changes
 */
export function move(ui, changes) {
  for (const [name, i] of Object.entries(changes)) ui.model.set(name, within(i, ui.sizes[name]));
  ui.model.save_changes();
  ui.show();
}

/**
 * @param {Ui} ui
 * @param {number} wanted scale
 * @param {number} [x] middle
 * @param {number} [y]
 */
export function zoom(ui, wanted, x = ui.state.x, y = ui.state.y) {
  const scale = clamp(wanted, ZOOM.least, ZOOM.most);
  const half = 0.5 / scale; // nothing beyond the image's border is shown
  change(ui, { scale, x: clamp(x, half, 1 - half), y: clamp(y, half, 1 - half) });
}

/**
 * Zoom so that a point of the canvas, such as under the pointer, stays where it is.
 *
 * @param {Ui} ui
 * @param {number} scale wanted
 * @param {[number, number]} point as shares of the canvas's width and height
 */
export function zoomAt(ui, scale, [u, v]) {
  const apart = 1 / ui.state.scale - 1 / clamp(scale, ZOOM.least, ZOOM.most);
  zoom(ui, scale, ui.state.x + (u - 0.5) * apart, ui.state.y + (v - 0.5) * apart);
}

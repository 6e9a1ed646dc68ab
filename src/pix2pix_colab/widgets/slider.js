// The λ slider on the screen: its state, and every way to change it. After each change `show` shows the whole state.
// All images are decoded before the first move. A move only paints: nothing is fetched, computed or rebuilt.

import { addAgainst, addViews, listenToControls, listenToKeys, showControls } from "./controls.js";
import { LEGEND } from "./critic.js";
import { element } from "./elements.js";
import { blob, bytesOf, decode } from "./images.js";
import { lambdaControl } from "./lambda_control.js";
import { addMetrics, showMetrics } from "./metrics.js";
import { ZOOM, clamp, within } from "./numbers.js";
import { paintStage } from "./panes.js";
import { hideSaved } from "./saved_form.js";

/**
 * @import { Position } from "./lambda_control.js"
 * @import { Encoded } from "./images.js"
 *
 * @typedef {object} Data what LambdaSlider.__init__ in widget.py sends
 * @property {string} mime the type of all images
 * @property {string} axis what the positions are of: λ, or step
 * @property {Position[]} positions one for each λ
 * @property {Encoded[][]} outputs by position and test image
 * @property {Encoded[]} sources by test image
 * @property {Encoded[]} targets by test image; empty if they are unknown
 * @property {Encoded[][]} verdicts of the critic, a byte for each patch, by position and test image; empty: there is no critic
 * @property {Encoded[]} targetVerdicts the same of the targets
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
 * @property {string} view side, wipe, difference, critic or all
 * @property {number} patch that is framed in the view of the critic, or -1
 * @property {number | "target"} against which position B of the wipe is, or the target
 * @property {number} divider between A and B, as a share of the width
 * @property {number} scale 1 shows the whole image
 * @property {number} x the middle of the part shown, as a share of the image's width
 * @property {number} y and of its height
 */

const BODY = `
  <div class="tools">
    <fieldset class="views"><legend>View</legend></fieldset>
    <label class="against">against <select></select></label>
    <span class="zoom" role="group" aria-label="Zoom">
      <button type="button" data-zoom="out" aria-label="Zoom out">−</button><output></output><button
        type="button" data-zoom="in" aria-label="Zoom in">+</button>
    </span>
  </div>
  <div class="body">
    <div class="left">
      <div class="stage"></div>
      <div class="critic"><span class="verdict" aria-live="polite"></span>${LEGEND}</div>
      <input class="divider" type="range" min="0" max="1" step="0.01" aria-label="Divider between A and B">
      <div class="thumbnails" role="group" aria-label="Test image"></div>
    </div>
    <table class="metrics"><caption></caption><tbody></tbody></table>
  </div>`;

export class Slider {
  #urls;
  #images;
  #showSaved;

  /**
   * @param {Model} model
   * @param {HTMLElement} parent
   */
  constructor(model, parent) {
    this.model = model;
    /** @type {Data} */
    this.data = model.get("data");
    this.known = this.data.targets.length > 0; // whether there are targets
    this.sizes = { index: this.data.positions.length, image: this.data.sources.length }; // how many there are of each
    /** @type {{sources: ImageBitmap[], targets: ImageBitmap[], outputs: ImageBitmap[][]}} empty until decoded */
    this.bitmaps = { sources: [], targets: [], outputs: [] };
    const { verdicts, targetVerdicts } = this.data;
    this.verdicts = { outputs: verdicts.map((each) => each.map(bytesOf)), targets: targetVerdicts.map(bytesOf) };
    this.resized = new ResizeObserver(() => paintStage(this));
    this.#build(parent);
    /** @type {State} */
    this.state = {
      view: this.known ? "side" : "all", against: this.lambda.stops.at(-1), divider: 0.5, scale: 1, x: 0.5, y: 0.5, patch: -1,
    };
    addAgainst(this);
    addViews(this);
    addMetrics(this);
    this.#addThumbnails();
    this.#decodeAll();
    this.#showSaved = hideSaved(model);
    listenToControls(this);
    listenToKeys(this);
    for (const name of ["index", "image"]) model.on(`change:${name}`, this.show);
    this.show();
  }

  /** @param {HTMLElement} parent */
  #build(parent) {
    this.root = parent.appendChild(element("div", { className: "lambda-slider" }));
    this.root.innerHTML = BODY;
    this.root.setAttribute("aria-busy", "true"); // until all images are decoded
    this.lambda = lambdaControl(this.data.positions, (index) => this.move({ index }), this.data.axis);
    this.root.prepend(this.lambda.heading, this.lambda.control);
    this.path = this.lambda.stops.length < this.data.positions.length; // whether there is something between the stops
    this.root.classList.toggle("path", this.path);
    /** @type {HTMLSelectElement} of `against` */
    this.select = this.find("select");
    /** @type {HTMLElement} */
    this.stage = this.find(".stage");
    /** @type {HTMLInputElement} */
    this.divider = this.find(".divider"); // which is taken off the stage in other views than the wipe
  }

  /** @type {(selector: string) => any} */
  find = (selector) => this.root.querySelector(selector);

  /** Of the λ shown. */
  get index() {
    return within(this.model.get("index"), this.sizes.index);
  }

  /** Of the test image shown. */
  get image() {
    return within(this.model.get("image"), this.sizes.image);
  }

  // --- changes

  /**
   * Change the state. Of what is no number where one should be, as of a pointer on a slider without a size, nothing is
   * taken.
   *
   * @param {Partial<State>} changes
   */
  change(changes) {
    if (Object.values(changes).some(Number.isNaN)) return;
    Object.assign(this.state, changes);
    this.show();
  }

  /**
   * To another λ (index) or test image (image); Python and other views of the widget are told.
   *
   * @param {{index?: number, image?: number}} changes
   */
  move(changes) {
    for (const [name, i] of Object.entries(changes)) this.model.set(name, within(i, this.sizes[name]));
    this.model.save_changes();
    this.show();
  }

  /**
   * @param {number} wanted scale
   * @param {number} [x] middle
   * @param {number} [y]
   */
  zoom(wanted, x = this.state.x, y = this.state.y) {
    const scale = clamp(wanted, ZOOM.least, ZOOM.most);
    const half = 0.5 / scale; // nothing beyond the image's border is shown
    this.change({ scale, x: clamp(x, half, 1 - half), y: clamp(y, half, 1 - half) });
  }

  /**
   * Zoom so that a point of the canvas, such as under the pointer, stays where it is.
   *
   * @param {number} scale wanted
   * @param {[number, number]} point as shares of the canvas's width and height
   */
  zoomAt(scale, [u, v]) {
    const apart = 1 / this.state.scale - 1 / clamp(scale, ZOOM.least, ZOOM.most);
    this.zoom(scale, this.state.x + (u - 0.5) * apart, this.state.y + (v - 0.5) * apart);
  }

  // --- what is seen

  /** Show the state: nothing but this changes what is on the screen. */
  show = () => {
    this.lambda.show(this.index);
    this.root.classList.toggle("between", !this.data.positions[this.index].stop);
    showControls(this);
    this.find(".thumbnails").childNodes.forEach((button, i) => button.setAttribute("aria-pressed", i === this.image));
    showMetrics(this);
    paintStage(this);
  };

  #addThumbnails() {
    const { sources, targets, names, mime } = this.data;
    this.find(".thumbnails").hidden = sources.length < 2;
    this.#urls = (this.known ? targets : sources).map((encoded, image) => {
      const url = URL.createObjectURL(blob(encoded, mime));
      const button = element("button", { type: "button", onclick: () => this.move({ image }) });
      button.append(element("img", { src: url, alt: names[image] }));
      this.find(".thumbnails").append(button);
      return url;
    });
  }

  /** Decode all images, and show them as soon as they are there. */
  #decodeAll() {
    const { sources, targets, outputs, mime } = this.data;
    this.#images = decode([sources, targets, ...outputs], mime);
    const take = (/** @type {ImageBitmap[][]} */ decoded) => {
      if (!this.root.parentNode) return; // closed meanwhile
      [this.bitmaps.sources, this.bitmaps.targets, ...this.bitmaps.outputs] = decoded;
      this.root.setAttribute("aria-busy", "false");
      this.show();
    };
    const fail = (/** @type {Error} */ error) => {
      this.stage.textContent = `The browser can't show these images: ${error.message}`;
    };
    this.#images.ready.then(take).catch(fail);
  }

  close() {
    this.resized.disconnect();
    this.root.remove();
    this.#images.close();
    this.#showSaved();
    this.#urls.forEach(URL.revokeObjectURL);
    for (const name of ["index", "image"]) this.model.off(`change:${name}`, this.show);
  }
}

// The drawing board: a label map on which one draws, and beside it the output of a network at any λ.

import { element } from "../elements.js";
import { controlUses } from "../keys.js";
import { lambdaControl } from "../lambda_control.js";
import { drawingCanvas } from "./canvas.js";
import { COMPARE } from "./compare_view.js";
import { CRITIC } from "./critic_view.js";
import { readLabelMap } from "./files.js";
import { paintOver, rasterise } from "./label_map.js";
import { OutputView } from "./output_view.js";
import { History } from "./shapes.js";
import { actionOf } from "./shortcuts.js";
import { addControls, FILES, TOOLBAR } from "./toolbar.js";

/**
 * @typedef {import("../lambda_control.js").Position} Position
 * @typedef {import("./label_map.js").Colour} Colour
 * @typedef {import("./shapes.js").Shape} Shape
 *
 * @typedef {object} BoardData
 * @property {number} size of the label map and of the output, in px
 * @property {{name: string, colour: Colour}[]} classes
 * @property {number} fill the class where nothing is drawn
 * @property {boolean} critic whether there is a discriminator
 * @property {Shape[]} empty an empty wall to start from
 * @property {Position[]} positions of λ, as those of the slider
 * @property {number} index of the position to start at
 * @property {{name: string, image: Blob}[]} examples label maps to start from
 *
 * @typedef {{labels: Uint8Array, index: number, example: number, sketch?: boolean, beside?: boolean}} Job a label map and a
 *   position of λ; the number of the example if it is exactly that, else -1; whether the pen is still down; whether the output
 *   stands beside another one
 * @typedef {{bitmap: ImageBitmap, index: number, preview?: boolean, coarse?: boolean, kept?: boolean}} Output of a network, and the
 *   position of its λ. A preview may be of another λ than the job; a coarse one is made by rounded weights: neither is for saving.
 *   One that is kept is not the board's to close
 * @typedef {(job: Job) => Promise<Output | null>} Translate null: not yet, and the board is asked to refresh later.
 *   Rejects with an Error whose message is a sentence
 *
 * @typedef {Error & {final?: boolean}} Failure final: another try would fail, too
 *
 * @typedef {object} Options
 * @property {(board: Board) => void} [onchange] after each change of the drawing or of λ
 * @property {(down: boolean) => void} [onpen] when a part begins to be drawn, and when it is drawn or dropped
 * @property {(job: Job) => Promise<Uint8Array>} [judge] the discriminator's verdicts on the output of a job: 255 is real
 * @property {() => Promise<void>} [retry] what is to be done before an output that failed is asked for again
 * @property {(board: Board) => Promise<string>} [share] makes a link of the drawing; returns what the user should know
 */

const BODY = `<div class="desk">
  <figure class="output" aria-busy="true"><figcaption></figcaption><canvas role="img"></canvas></figure>
  <div class="views">${COMPARE}${CRITIC}</div><div class="say"><span role="status"></span><button type="button" hidden>Try again</button><label hidden>Loading the network <span></span> <progress max="1"></progress></label></div>
  ${TOOLBAR}
  <figure class="drawing"><figcaption aria-live="polite">your drawing</figcaption><canvas tabindex="0" role="application"></canvas></figure>
  ${FILES}</div>`;
const KEYS = "Arrow keys move the cursor, Space begins and ends a part, Escape drops it, Delete removes what is there.";

export class Board {
  /** @param {HTMLElement} parent @param {BoardData} data @param {Translate} translate @param {Options} options */
  constructor(parent, data, translate, options = {}) {
    this.data = data;
    this.translate = translate;
    this.options = options;
    this.size = data.size;
    this.fill = data.fill;
    this.palette = data.classes.map(({ colour }) => colour);
    this.tool = "rectangle";
    this.label = Math.max(0, data.classes.findIndex(({ name }) => name === "window"));
    this.radius = Math.round(data.size / 32);
    this.selected = -1;
    this.failure = /** @type {Failure | null} */ (null); // that stands
    this.index = data.index;
    this.history = new History([]);
    this.origins = new WeakMap(); // of shapes: the example that they are
    this.maps = new WeakMap(); // of shapes: their label map
    this.#build(parent);
  }

  #build(parent) {
    this.root = parent.appendChild(element("div", { className: "drawing-board", tabIndex: -1 }));
    this.root.innerHTML = BODY;
    const find = (selector) => this.root.querySelector(selector);
    this.lambda = lambdaControl(this.data.positions, (index) => this.move(index));
    find(".desk").prepend(this.lambda.heading, this.lambda.control);
    this.drawing = find("figure.drawing canvas");
    this.drawing.setAttribute("aria-label", `Your drawing. ${KEYS}`);
    this.canvas = drawingCanvas(this.drawing, this);
    this.controls = addControls(this);
    this.view = new OutputView(this, find("figure.output canvas")); // Jupyter has an .output around the board
    find(".say button").onclick = () => this.retry();
    this.root.onkeydown = (event) => this.onKey(event);
    this.lambda.show(this.index);
  }

  get shapes() {
    return this.history.shapes;
  }

  /** The label map of shapes, the same array for the same shapes. @param {Shape[]} shapes of the drawing, or of what it becomes */
  labelsOf(shapes) {
    if (!this.maps.has(shapes)) {
      const added = this.shapes.every((shape, i) => shape === shapes[i]) ? shapes.slice(this.shapes.length) : [];
      const known = added.length && this.maps.get(this.shapes);
      this.maps.set(shapes, known ? paintOver(known.slice(), added, this.size) : rasterise(shapes, this.size, this.fill));
    }
    return this.maps.get(shapes);
  }

  // --- changes of the drawing

  /** @param {Shape[]} shapes to begin with @param {Shape[][]} [before] what can be undone @param {Shape[][]} [after] redone */
  begin(shapes, before = [], after = []) {
    this.history = Object.assign(new History(shapes), { states: [...before, shapes, ...after], now: before.length });
    this.#changed();
  }

  /** @param {Shape[]} shapes a new state, which can be undone */
  draw(shapes) {
    this.history.push(shapes);
    this.#changed();
  }

  undo() {
    this.history.undo();
    this.#changed();
  }

  redo() {
    this.history.redo();
    this.#changed();
  }

  /** @param {number} selected the index of a shape, or -1 */
  select(selected) {
    this.selected = selected;
    this.controls.show();
  }

  /** Say of which class the drawing is at a point. @param {import("./shapes.js").Point | null} point */
  tellClass(point) {
    const name = point && this.data.classes[this.labelsOf(this.shapes)[point[1] * this.size + point[0]]].name;
    this.drawing.previousSibling.textContent = name ? `your drawing: ${name}` : "your drawing";
  }

  /** @param {number} number of the example to start from */
  start(number) {
    return this.#load(async () => ({ shapes: await this.example(number), words: "" }));
  }

  /** @param {number} number of an example @returns {Promise<Shape[]>} */
  async example(number) {
    const { shapes } = await readLabelMap(this.data.examples[number].image, this.size, this.palette, this.fill);
    this.origins.set(shapes, number);
    return shapes;
  }

  /** @param {Blob} file a label map of the user's own */
  open(file) {
    return this.#load(() => readLabelMap(file, this.size, this.palette, this.fill));
  }

  async #load(read) {
    this.view.wait();
    try {
      const { shapes, words } = await read();
      this.draw(shapes);
      this.say(words);
    } catch (error) {
      this.refresh();
      this.say(error.message);
    }
  }

  #changed() {
    this.selected = -1;
    this.say("", null);
    this.canvas.drop();
    this.refresh();
  }

  // --- λ

  /** @param {number} index of a position */
  move(index) {
    this.index = Math.min(this.data.positions.length - 1, Math.max(0, index));
    this.lambda.show(this.index);
    this.refresh();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const act = actionOf(this, event);
    if (!act && !controlUses(event.target, event)) return; // it is the notebook's or the browser's
    event.stopPropagation();
    if (!act) return;
    event.preventDefault();
    act();
  }

  // --- the output

  /** Ask for the output of what is drawn, the part that is being drawn among it, at the present λ. */
  refresh() {
    if (!this.root.parentNode) return; // closed meanwhile
    this.controls.show();
    this.view.wait();
    this.ask(this.canvas.drawn());
    this.options.onchange?.(this);
  }

  /** @param {Shape[]} shapes the drawing's, or what the pen has made of them so far */
  ask(shapes) {
    if (!this.root.parentNode) return;
    const sketch = shapes !== this.shapes;
    this.view.ask({ labels: this.labelsOf(shapes), index: this.index, example: this.origins.get(shapes) ?? -1, sketch });
  }

  /** Go back to the output of the drawing. */
  dropSketch() {
    if (this.view.wanted?.sketch) this.refresh();
  }

  close() {
    this.canvas.close();
    this.root.remove();
  }

  /** Do again what failed. */
  async retry() {
    this.say("", null);
    this.view.wait();
    const failure = await this.options.retry?.().catch((error) => error);
    this.refresh();
    if (failure) this.say("", failure);
  }

  /** @param {string} words to tell the user, or nothing
   * @param {Failure | null} [failure] that is told after them, and can be tried again, unless it is final; null: it is over
   */
  say(words, failure = this.failure) {
    this.failure = failure;
    const place = this.root.querySelector(".say");
    place.classList.toggle("failed", Boolean(failure));
    place.querySelector("button").hidden = !failure || failure.final;
    const text = this.root.querySelector("[role=status]");
    const said = [words, failure?.message].filter(Boolean).join(" ");
    if (text.textContent !== said) text.textContent = said;
  }
}

// The drawing board: a label map on which one draws, and beside it the output of a network at any λ.

import { element } from "../elements.js";
import { controlUses } from "../keys.js";
import { lambdaControl } from "../lambda_control.js";
import { drawingCanvas } from "./canvas.js";
import { CRITIC, CriticView } from "./critic_view.js";
import { readLabelMap } from "./files.js";
import { rasterise } from "./label_map.js";
import { latest } from "./latest.js";
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
 * @typedef {{labels: Uint8Array, index: number, example: number}} Job a label map and a position of λ; the number of
 *   the example if it is exactly that, else -1
 * @typedef {{bitmap: ImageBitmap, index: number, preview?: boolean}} Output of a network, and the position of its λ;
 *   a preview is not for saving, and may be of another λ than the job
 * @typedef {(job: Job) => Promise<Output | null>} Translate null: not yet, and the board is asked to refresh later.
 *   Rejects with an Error whose message is a sentence
 *
 * @typedef {object} Options
 * @property {(board: Board) => void} [onchange] after each change of the drawing or of λ
 * @property {(job: Job) => Promise<Uint8Array>} [judge] the discriminator's verdicts on the output of a job: 255 is real
 * @property {(board: Board) => Promise<string>} [share] makes a link of the drawing; returns what the user should know
 */

const BODY = `
  <figure class="output" aria-busy="true"><figcaption></figcaption><canvas role="img"></canvas></figure>
  ${CRITIC}<div class="say"><span role="status"></span><label hidden>Loading the network <progress max="1"></progress></label></div>
  ${TOOLBAR}
  <figure class="drawing"><figcaption>your drawing</figcaption><canvas tabindex="0" role="application"></canvas></figure>
  ${FILES}`;
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
    this.index = data.index;
    this.history = new History([]);
    this.origins = new WeakMap(); // of shapes: the example that they are
    this.maps = new WeakMap(); // of shapes: their label map
    this.wanted = this.shown = /** @type {Job | null} */ (null);
    this.ask = latest((job) => this.#show(job));
    this.#build(parent);
  }

  #build(parent) {
    this.root = parent.appendChild(element("div", { className: "drawing-board", tabIndex: -1 }));
    this.root.innerHTML = BODY;
    const find = (selector) => this.root.querySelector(selector);
    this.lambda = lambdaControl(this.data.positions, (index) => this.move(index));
    this.root.prepend(this.lambda.heading, this.lambda.control);
    this.drawing = find("figure.drawing canvas");
    this.drawing.setAttribute("aria-label", `Your drawing. ${KEYS}`);
    this.output = find("figure.output canvas"); // Jupyter has an .output around the board
    this.canvas = drawingCanvas(this.drawing, this);
    this.controls = addControls(this);
    this.critic = new CriticView(this);
    this.root.onkeydown = (event) => this.onKey(event);
    this.lambda.show(this.index);
  }

  get shapes() {
    return this.history.shapes;
  }

  /** The label map, the same array as long as the drawing is the same. */
  get labels() {
    if (!this.maps.has(this.shapes)) this.maps.set(this.shapes, rasterise(this.shapes, this.size, this.fill));
    return this.maps.get(this.shapes);
  }

  // --- changes of the drawing

  /** @param {Shape[]} shapes to begin with: there is nothing to undo */
  begin(shapes) {
    this.history = new History(shapes);
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

  removeSelected() {
    if (this.selected >= 0) this.draw(this.shapes.toSpliced(this.selected, 1));
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
    this.#wait();
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
    this.say("");
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

  /** Tell that the output is not that of what is asked for. */
  #wait() {
    this.output.parentNode.setAttribute("aria-busy", "true");
  }

  /** Ask for the output of what is drawn, at the present λ. */
  refresh() {
    if (!this.root.parentNode) return; // closed meanwhile
    this.controls.show();
    this.#wait();
    this.wanted = { labels: this.labels, index: this.index, example: this.origins.get(this.shapes) ?? -1 };
    this.ask(this.wanted);
    this.options.onchange?.(this);
  }

  close() {
    this.canvas.close();
    this.root.remove();
  }

  /** @param {Job} job */
  async #show(job) {
    try {
      const output = await this.translate(job);
      this.critic.clear();
      if (!output) return this.#describe("not computed yet", "There is no output for your drawing yet", true);
      const { bitmap, index, preview } = output;
      Object.assign(this.output, { width: bitmap.width, height: bitmap.height });
      this.output.getContext("2d").drawImage(bitmap, 0, 0);
      bitmap.close();
      this.shown = preview ? null : job;
      const { label } = this.data.positions[index];
      this.#describe(label, `The network's output for your drawing, ${label}`, false);
      if (this.failed) this.say(""); // that is over
      if (job === this.wanted) this.critic.look(this.shown);
    } catch (error) {
      this.critic.clear();
      this.#describe("no picture of this drawing", "There is no output for your drawing", true);
      this.say(error.message);
      this.failed = true;
    }
    if (job === this.wanted) this.output.parentNode.setAttribute("aria-busy", "false");
  }

  #describe(caption, label, stale) {
    this.output.previousSibling.textContent = caption;
    this.output.setAttribute("aria-label", label);
    this.output.parentNode.classList.toggle("stale", stale);
  }

  /** @param {string} words to tell the user, or nothing */
  say(words) {
    this.failed = false; // whether the words are those of an output that failed
    const text = this.root.querySelector("[role=status]");
    if (text.textContent !== words) text.textContent = words;
  }
}

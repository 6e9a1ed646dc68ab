// The critic's eye on the board: a switch, and over the output the discriminator's verdict on each patch.

import { LEGEND, describe, describePatch, paintVerdicts, patchAt } from "../critic.js";
import { element } from "../elements.js";

/**
 * @typedef {import("./board.js").Board} Board
 * @typedef {import("./board.js").Job} Job
 */

export const CRITIC = `
  <div class="critic" hidden>
    <label><input type="checkbox"> What the critic sees</label>
    <span class="verdict" aria-live="polite"></span>${LEGEND}
  </div>`;

export class CriticView {
  #board;
  #output;
  #canvas;
  #verdicts = /** @type {Uint8Array | null} */ (null);
  #job = /** @type {Job | null} */ (null);

  /** @param {Board} board with its elements; without ``options.judge`` there is no critic, and nothing to see
   * @param {import("./output_view.js").OutputView} view of the output
   */
  constructor(board, view) {
    this.#board = board;
    this.#output = view.canvas;
    this.root = board.root.querySelector(".critic");
    this.root.hidden = !board.options.judge;
    this.box = this.root.querySelector("input");
    this.#canvas = element("canvas", { className: "verdicts", width: board.size, height: board.size });
    this.box.onchange = () => {
      if (!this.box.checked || !view.compare.box.checked) return this.look(view.shown);
      view.compare.close();
      board.refresh(); // the picture is that of one λ again
    };
    this.#canvas.onpointermove = this.#canvas.onpointerdown = (event) => this.#point(event);
    this.#canvas.onpointerleave = ({ pointerType }) => pointerType === "mouse" && this.#paint(-1); // what a finger has framed stays
    this.clear();
  }

  /** Show nothing: the output is another one, or none. */
  clear() {
    this.#job = this.#verdicts = null;
    this.#canvas.remove();
    this.root.classList.toggle("on", this.box.checked);
    this.#say("");
  }

  /** Ask for the verdicts on an output that is shown, if the critic is switched on. @param {Job | null} job */
  async look(job) {
    this.clear();
    if (!this.box.checked) return;
    if (!job) return this.#say("It waits until the network is loaded.");
    this.#job = job;
    try {
      const verdicts = await this.#board.options.judge(job);
      if (this.#job !== job) return; // drawn on meanwhile
      this.#verdicts = verdicts;
      this.#output.after(this.#canvas);
      this.#paint(-1);
    } catch (error) {
      if (this.#job === job) this.#say(error.message);
    }
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    this.#paint(patchAt(this.#verdicts, x * this.#board.size, y * this.#board.size));
  }

  /** @param {number} framed a patch; -1: none */
  #paint(framed) {
    if (!this.#verdicts) return;
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    paintVerdicts(context, this.#verdicts, framed);
    this.#say(framed < 0 ? describe(this.#verdicts) : describePatch(this.#verdicts, framed));
  }

  #say(words) {
    this.root.querySelector(".verdict").textContent = words;
  }
}

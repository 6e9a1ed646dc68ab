// The output on the board: one job after the other, of those asked for meanwhile the newest.

import { CompareView } from "./compare_view.js";
import { CriticView } from "./critic_view.js";
import { latest } from "./latest.js";

/**
 * @typedef {import("./board.js").Board} Board
 * @typedef {import("./board.js").Job} Job
 */

export class OutputView {
  #board;
  #ask;

  /** @param {Board} board with its elements @param {HTMLCanvasElement} canvas */
  constructor(board, canvas) {
    this.#board = board;
    this.canvas = canvas;
    this.wanted = this.shown = this.coarse = /** @type {Job | null} */ (null); // coarse: it is shown, but not for saving
    this.#ask = latest((job) => this.#show(job));
    this.critic = new CriticView(board, this);
    this.compare = new CompareView(board, this);
  }

  /** Tell that the output is not that of what is asked for. */
  wait() {
    this.canvas.parentElement.setAttribute("aria-busy", "true");
  }

  /** @param {Job} job */
  ask(job) {
    this.wanted = job;
    this.#ask(job);
  }

  /** @param {Job} job */
  async #show(job) {
    const board = this.#board;
    try {
      const output = await board.translate(job);
      this.critic.clear();
      if (!output) {
        this.compare.clear();
        return this.#describe("not computed yet", "There is no output for your drawing yet", true);
      }
      const { bitmap, index, preview, coarse, kept } = output;
      const { width, height } = bitmap;
      if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      if (!kept) bitmap.close();
      this.shown = preview || coarse ? null : job;
      this.coarse = coarse ? job : null;
      const { label } = board.data.positions[index];
      this.#describe(label, `The network's output for your drawing, ${label}`, false);
      const other = await this.compare.look(job);
      if (other) this.#describe(`A: ${label}  |  B: ${other}`, `The network's output for your drawing, ${label}, beside ${other}`, false);
      if (board.failure && this.shown) board.say("", null);
      if (job === this.wanted && !job.sketch) this.critic.look(this.shown);
    } catch (error) {
      this.critic.clear();
      this.compare.clear();
      this.#describe("no picture of this drawing", "There is no output for your drawing", true);
      board.say("", error);
    }
    const figure = this.canvas.parentElement;
    if (job === this.wanted && figure.ariaBusy !== "false") figure.setAttribute("aria-busy", "false");
  }

  #describe(caption, label, stale) {
    this.canvas.previousSibling.textContent = caption;
    this.canvas.setAttribute("aria-label", label);
    this.canvas.parentElement.classList.toggle("stale", stale);
  }
}

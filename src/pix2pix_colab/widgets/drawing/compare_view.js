// The A/B wipe on the board: right of a divider, the output at another λ lies over the output.

import { element } from "../elements.js";

/**
 * @typedef {import("./board.js").Board} Board
 * @typedef {import("./board.js").Job} Job
 */

export const COMPARE = `
  <div class="compare" hidden><label><input type="checkbox"> A/B wipe</label> <label>against <select></select></label></div>`;

export class CompareView {
  #board;
  #output;
  #guest = /** @type {Job | null} */ (null); // opened by itself, until this job is another
  #over = element("div", { className: "over" });
  #canvas = this.#over.appendChild(element("canvas", {}));
  #divider = element("input", { type: "range", className: "divider", min: "0", max: "100", value: "50", ariaLabel: "Divider between A and B" });

  /** @param {Board} board with its elements @param {import("./output_view.js").OutputView} view of the output */
  constructor(board, view) {
    this.#board = board;
    this.#output = view.canvas;
    this.root = board.root.querySelector(".compare");
    this.box = this.root.querySelector("input");
    this.select = this.root.querySelector("select");
    const { stops } = board.lambda;
    this.root.hidden = stops.length < 2;
    for (const value of stops) this.select.append(element("option", { value, textContent: board.data.positions[value].label }));
    this.select.value = `${stops.at(-1)}`;
    this.box.onchange = this.select.onchange = () => {
      this.#guest = null;
      if (this.box.checked) view.critic.box.checked = false;
      this.clear();
      board.refresh();
    };
    this.#divider.oninput = () => {
      this.#guest = null;
      this.#show();
    };
    this.clear();
  }

  /** Open it by itself: it closes with the first stroke or move of λ, unless it is used. @param {Job} job that it begins with */
  open(job) {
    this.#guest = job;
    this.box.checked = true;
    this.#board.refresh();
  }

  close() {
    this.box.checked = false;
    this.clear();
  }

  /** Show one output only. */
  clear() {
    this.#over.remove();
    this.#divider.remove();
    this.root.classList.toggle("on", this.box.checked);
  }

  /** Lay the other output over that of a job. @param {Job} job @returns {Promise<string>} its λ, or "" */
  async look(job) {
    if (this.#guest && (job.labels !== this.#guest.labels || job.index !== this.#guest.index)) {
      this.#guest = null;
      this.close();
    }
    const output = this.box.checked && (await this.#board.translate({ ...job, index: +this.select.value, beside: true }));
    this.clear();
    if (!output) return "";
    if (!this.box.checked) { // switched off meanwhile
      if (!output.kept) output.bitmap.close();
      return "";
    }
    Object.assign(this.#canvas, { width: output.bitmap.width, height: output.bitmap.height });
    this.#canvas.getContext("2d").drawImage(output.bitmap, 0, 0);
    if (!output.kept) output.bitmap.close();
    this.#output.after(this.#over, this.#divider);
    this.#show();
    return this.#board.data.positions[output.index].label;
  }

  #show() {
    this.#over.style.setProperty("--at", `${this.#divider.value}%`);
  }
}

// The network, seen from the page: a worker computes; until it is ready, frames that were made before answer.

import { readPreview } from "./preview.js";

/**
 * @typedef {import("./page.js").Site} Site
 * @typedef {import("./widgets/drawing/board.js").Job} Job
 */

// A function with one SIMD instruction, as WebAssembly: a browser without SIMD finds it invalid.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const NO_SIMD =
  "This browser can't run the network, as it has no WebAssembly SIMD: take a current Chrome, Edge, Firefox or Safari. " +
  "The examples can be seen at some λ.";

const PATIENCE = 30_000; // ms; a slow phone takes seconds
const LATE = "The network does not answer.";

/** The other positions of λ, the nearest first. @param {number} from @param {number} count */
export function nearestFirst(from, count) {
  const others = Array.from({ length: count }, (_, i) => i).filter((i) => i !== from);
  return others.toSorted((a, b) => Math.abs(a - from) - Math.abs(b - from));
}

export class Network {
  #turn = 0; // what is computed ahead ends as soon as somebody asks for something
  #free = Promise.resolve(); // it waits for this, too
  #release = () => {};
  #known = /** @type {Uint8Array | null} */ (null); // the label map that the worker has
  #outputs = /** @type {Map<number, Promise<ImageBitmap>>} */ (new Map()); // of it, by position of λ

  /** @param {Site} site @param {(loaded: number, total: number) => void} onload called with the bytes that are loaded; as
   *   many as there are also after a failure
   */
  constructor(site, onload) {
    this.site = site;
    this.onload = onload;
    this.ready = false;
    this.whole = false; // until then its weights are coarse
    this.coarse = /** @type {import("./widgets/drawing/board.js").Failure | null} */ (null); // why its weights stay so
    this.failed = /** @type {import("./widgets/drawing/board.js").Failure | null} */ (null);
    this.tries = 0; // to load it
    this.loading = /** @type {Promise<void> | null} */ (null); // the last one
    this.number = 0; // of the last request
    this.answers = new Map(); // what to do with the answer to a request, by the request's number
    this.frames = new Map(); // by example
    this.preview = /** @type {{labels: Uint8Array, index: number, text: string} | null} */ (null); // that came with a link
  }

  /** Load the runtime and the graphs, once more if it failed. Rejects with a sentence.
   * @param {() => void} onready called as soon as it answers, at first with coarse weights
   * @returns {Promise<void>} resolves once it has all their bits
   */
  load(onready) {
    return (this.loading = this.#load(onready, (this.tries += 1)));
  }

  async #load(onready, own) {
    try {
      const rest = this.ready && this.coarse && (!this.failed || this.failed === this.coarse); // is all that is missing
      if (!rest) await this.#start();
      Object.assign(this, { coarse: null, failed: null });
      onready();
      await this.#ask({ refined: true, again: Boolean(rest) });
      this.#turn += 1;
      Object.assign(this, { whole: true, failed: null });
      this.#outputs = new Map(); // one of them may just be painted
      this.#known = null;
    } catch (error) {
      if (own !== this.tries) return this.loading; // it was tried again meanwhile
      this.failed = error;
      if (this.ready) this.coarse = error;
      throw error;
    } finally {
      if (own === this.tries) this.onload(1, 1);
    }
  }

  async #start() {
    const again = Boolean(this.failed) && !this.whole; // or it was only slow
    this.worker?.terminate();
    this.#forget();
    for (const number of this.answers.keys()) this.#hear({ number, error: LATE }); // nobody answers them any more
    Object.assign(this, { ready: false, whole: false, coarse: null, failed: null });
    await Promise.allSettled(this.frames.values()); // the first picture comes first
    if (!globalThis.WebAssembly?.validate(new Uint8Array(SIMD))) throw Object.assign(new Error(NO_SIMD), { final: true });
    const registered = await navigator.serviceWorker?.getRegistration().catch(() => null); // or the user allows none
    const unkept = Boolean(navigator.serviceWorker) && !registered?.active;
    this.worker = new Worker("worker.js", { type: "module" });
    this.worker.onmessage = ({ data }) => this.#hear(data);
    this.worker.onerror = () => this.#hear({ error: "The network can't be started: a file of it is missing, or the browser is too old." });
    await this.#ask({ files: this.site.files, unkept, size: this.site.size, again });
    this.ready = true;
  }

  /** The output for a label map. Until the network is there, an example's frame near λ, and null for a drawing. Afterwards the
   * outputs at the other λ are computed ahead.
   * @param {Job} job
   * @returns {Promise<import("./widgets/drawing/board.js").Output | null>}
   */
  async translate({ labels, index, example, sketch, beside }) {
    if (!this.ready) {
      if (example >= 0) return this.#frame(example, index);
      const { preview } = this;
      const bitmap = labels === preview?.labels && index === preview.index && (await readPreview(preview.text, this.site.size));
      if (bitmap) return { bitmap, index, preview: true };
      if (this.failed) throw this.failed;
      return null;
    }
    if (!beside) this.#turn += 1; // what the wipe asks for ends nothing
    const [turn, coarse] = [this.#turn, !this.whole];
    const source = labels === this.#known ? null : this.#planes(labels);
    if (source) this.#forget();
    this.#known = labels;
    const bitmap = await this.#output(index, source);
    if (!sketch && !beside) this.#ahead(turn, index);
    return { bitmap, index, kept: true, coarse };
  }

  /** The discriminator's verdicts on an output that was translated. @param {Job} job @returns {Promise<Uint8Array>} */
  async judge({ index }) {
    const turn = (this.#turn += 1);
    const verdicts = await this.#ask({ judged: true, position: this.site.positions[index].at });
    this.#ahead(turn, index);
    return verdicts;
  }

  /** @param {number} index of a position @param {Uint8Array | null} source the label map in planes; null: the worker has it */
  #output(index, source = null) {
    if (!this.#outputs.has(index)) {
      const answer = this.#ask({ source, position: this.site.positions[index].at });
      answer.catch((error) => {
        if (this.#outputs.get(index) !== answer) return; // it was forgotten meanwhile
        this.failed = error; // to try again is to load again
        this.#forget(); // the worker may have nothing
      });
      this.#outputs.set(index, answer);
    }
    return this.#outputs.get(index);
  }

  /** Compute nothing ahead while something is drawn, so that nothing is under way when it is asked for. @param {boolean} drawn */
  hold(drawn) {
    this.#release();
    if (drawn) this.#free = new Promise((done) => (this.#release = done));
  }

  /** Compute the outputs of the present label map at the other λ, until somebody asks for something. */
  async #ahead(turn, from) {
    try {
      for (const index of nearestFirst(from, this.site.positions.length)) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other, so that it can end
        await this.#free;
        if (turn !== this.#turn) return;
        // oxlint-disable-next-line no-await-in-loop
        await this.#output(index);
      }
    } catch {
      // whoever asks for it is told
    }
  }

  #forget() {
    for (const output of this.#outputs.values()) output.then((bitmap) => bitmap.close(), () => {});
    this.#outputs.clear();
    this.#known = null;
  }

  #planes(labels) {
    const planes = new Uint8Array(3 * labels.length); // red, green, blue
    labels.forEach((label, i) => {
      for (const plane of [0, 1, 2]) planes[plane * labels.length + i] = this.site.classes[label].colour[plane];
    });
    return planes;
  }

  async #frame(example, index) {
    const { size, frameStep, examples } = this.site;
    try {
      if (!this.frames.has(example)) this.frames.set(example, fetch(examples[example].frames).then((file) => file.blob()));
      const frame = Math.round(index / frameStep);
      const bitmap = await createImageBitmap(await this.frames.get(example), frame * size, 0, size, size);
      return { bitmap, index: frame * frameStep, preview: true };
    } catch {
      this.frames.delete(example);
      return null; // the file is not there; the network may come
    }
  }

  #ask(request) {
    const number = (this.number += 1);
    this.worker.postMessage({ number, ...request });
    return new Promise((resolve, reject) => {
      const giveUp = () => this.#hear({ number, error: LATE });
      const timer = request.files || request.refined ? 0 : setTimeout(giveUp, PATIENCE);
      this.answers.set(number, { resolve, reject, timer });
    });
  }

  /** @param {{number?: number, error?: string, result?: any, loaded?: number, total?: number}} said by the worker */
  #hear({ number, error, result, loaded, total }) {
    if (loaded !== undefined) return this.onload(loaded, total);
    const asked = number === undefined ? [...this.answers.keys()] : [number]; // the whole worker failed
    const failure = error && new Error(error);
    if (number === undefined) this.ready = false;
    if (number === undefined || error === LATE) this.failed = failure;
    else if (!error) this.failed = null;
    for (const each of asked) {
      const { resolve, reject, timer } = this.answers.get(each) ?? {};
      clearTimeout(timer);
      this.answers.delete(each);
      if (failure) reject?.(failure);
      else resolve?.(result);
    }
  }
}

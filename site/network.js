// The network, seen from the page: a worker computes; until it is ready, frames that were made before answer.

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
const LATE = "The network does not answer: save the drawing, and reload the page.";

export class Network {
  /** @param {Site} site @param {(part: number) => void} onload called with the part that is loaded, 1 also after a failure */
  constructor(site, onload) {
    this.site = site;
    this.onload = onload;
    this.ready = false;
    this.failed = ""; // the sentence
    this.known = null; // the label map that the worker has
    this.number = 0; // of the last request
    this.answers = new Map(); // what to do with the answer to a request, by the request's number
    this.frames = new Map(); // by example
  }

  /** Load the runtime and the graphs. Rejects with a sentence. */
  async load() {
    try {
      if (!globalThis.WebAssembly?.validate(new Uint8Array(SIMD))) throw new Error(NO_SIMD);
      this.worker = new Worker("worker.js", { type: "module" });
      this.worker.onmessage = ({ data }) => this.#hear(data);
      this.worker.onerror = (event) => this.#hear({ error: `This browser can't run the network: ${event.message ?? "a file of it is missing"}.` });
      await this.#ask({ files: this.site.files, size: this.site.size });
      this.ready = true;
    } catch (error) {
      this.failed = error.message;
      throw error;
    } finally {
      this.onload(1);
    }
  }

  /** The output for a label map. Until the network is there, an example's frame near λ, and null for a drawing.
   * @param {Job} job
   * @returns {Promise<import("./widgets/drawing/board.js").Output | null>}
   */
  async translate({ labels, index, example }) {
    if (!this.ready) {
      if (example >= 0) return this.#frame(example, index);
      if (this.failed) throw new Error(this.failed);
      return null;
    }
    const source = labels === this.known ? null : this.#planes(labels);
    this.known = null; // if this fails, the worker has nothing
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(LATE)), PATIENCE));
    const answer = this.#ask({ source, position: this.site.positions[index].at });
    const bitmap = await Promise.race([answer, late]);
    this.known = labels;
    return { bitmap, index };
  }

  /** The discriminator's verdicts on the last output that the worker has made. @returns {Promise<Uint8Array>} */
  judge() {
    return this.#ask({ judged: true });
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
      if (!this.frames.has(example)) this.frames.set(example, await (await fetch(examples[example].frames)).blob());
      const frame = Math.round(index / frameStep);
      const bitmap = await createImageBitmap(this.frames.get(example), frame * size, 0, size, size);
      return { bitmap, index: frame * frameStep, preview: true };
    } catch {
      return null; // the file is not there; the network may come
    }
  }

  #ask(request) {
    const number = (this.number += 1);
    this.worker.postMessage({ number, ...request });
    return new Promise((resolve, reject) => this.answers.set(number, { resolve, reject }));
  }

  /** @param {{number?: number, error?: string, result?: any, part?: number}} said by the worker */
  #hear({ number, error, result, part }) {
    if (part !== undefined) return this.onload(part);
    const asked = number === undefined ? [...this.answers.keys()] : [number]; // the whole worker failed
    for (const each of asked) {
      const { resolve, reject } = this.answers.get(each);
      this.answers.delete(each);
      if (error) reject(new Error(error));
      else resolve(result);
    }
  }
}

// The board as a notebook's widget: the kernel computes. anywidget calls render.

import { hideSaved } from "../saved_form.js";
import { Board } from "./board.js";
import { listenToClipboard } from "./clipboard.js";

const PATIENCE = 15_000; // ms
const LATE = "The kernel has not answered yet. If it is busy, the picture comes afterwards; else run the cell again.";

function render({ model, el }) {
  const { examples, ...data } = model.get("data"); // made by DrawingBoard.__init__ in board.py
  const blobs = examples.map(({ name, image }) => ({ name, image: new Blob([image]) }));
  const pictures = connect(model, {}, () => board.refresh());
  const critic = data.critic ? connect(model, { critic: true }, () => {}) : null;
  const translate = async (job) => {
    const image = new Blob([await pictures.ask(job)], { type: "image/jpeg" });
    return { bitmap: await createImageBitmap(image), index: job.index };
  };
  const judge = async (job) => {
    const { buffer, byteOffset, byteLength } = await critic.ask(job);
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  const board = new Board(el, { ...data, examples: blobs }, translate, critic ? { judge } : {});
  listenToClipboard(board, board.root);
  if (blobs.length) board.example(0).then((shapes) => board.begin(shapes));
  else board.refresh();
  const showSaved = hideSaved(model);
  return () => {
    pictures.close();
    critic?.close();
    board.close();
    showSaved();
  };
}

/** What the kernel answers to one kind of request of one view: DrawingBoard._respond in board.py.
 * @param {object} kind what the request holds beside the job
 * @param {() => void} onlate called when an answer has come that was given up
 * @returns {{ask: (job: import("./board.js").Job) => Promise<DataView<ArrayBuffer>>, close: () => void}}
 */
function connect(model, kind, onlate) {
  const own = Math.random(); // the other views of the widget hear the answers, too
  let number = 0;
  /** @type {{id: string, take: (error: string, buffers: DataView<ArrayBuffer>[]) => void, timer: number}} */
  let last = { id: "", take: onlate, timer: 0 };
  const listen = (answer, buffers) => {
    if (answer.id === last.id) last.take(answer.error, buffers);
  };
  const ask = ({ labels, index, sketch = false, beside = false }) => {
    const id = `${own} ${(number += 1)}`;
    return new Promise((done, fail) => {
      const take = (error, [answer]) => {
        clearTimeout(last.timer);
        if (error) fail(new Error(error));
        else done(answer);
      };
      const giveUp = () => {
        last.take = onlate;
        fail(new Error(LATE)); // so that the next stroke is asked for: this request may be lost
      };
      model.send({ id, index, sketch: sketch || beside, ...kind }, undefined, [labels.buffer]);
      last = { id, take, timer: setTimeout(giveUp, PATIENCE) };
    });
  };
  const close = () => {
    clearTimeout(last.timer);
    model.off("msg:custom", listen);
  };
  model.on("msg:custom", listen);
  return { ask, close };
}

export default { render };

// The board as a notebook's widget: the kernel computes. anywidget calls render.

import { hideSaved } from "../saved_form.js";
import { Board } from "./board.js";

const PATIENCE = 15_000; // ms
const LATE = "The kernel has not answered yet. If it is busy, the picture comes afterwards; else run the cell again.";

function render({ model, el }) {
  const { examples, ...data } = model.get("data"); // made by DrawingBoard.__init__ in board.py
  const blobs = examples.map(({ name, image }) => ({ name, image: new Blob([image]) }));
  const kernel = connect(model, () => board.refresh());
  const board = new Board(el, { ...data, examples: blobs }, kernel.translate);
  if (blobs.length) board.example(0).then((shapes) => board.begin(shapes));
  else board.refresh();
  const showSaved = hideSaved(model);
  return () => {
    kernel.close();
    board.close();
    showSaved();
  };
}

/** The network of the kernel, as one view asks it: DrawingBoard._respond in board.py answers.
 * @param {() => void} onlate called when an answer has come that was given up
 * @returns {{translate: import("./board.js").Translate, close: () => void}}
 */
function connect(model, onlate) {
  const own = Math.random(); // the other views of the widget hear the answers, too
  let number = 0;
  /** @type {{id: string, take: (error: string, buffers: DataView[]) => void, timer: number}} */
  let last = { id: "", take: onlate, timer: 0 };
  const listen = (answer, buffers) => {
    if (answer.id === last.id) last.take(answer.error, buffers);
  };
  const translate = ({ labels, index }) => {
    const id = `${own} ${(number += 1)}`;
    return new Promise((done, fail) => {
      const take = (error, [image]) => {
        clearTimeout(last.timer);
        if (error) fail(new Error(error));
        else done(createImageBitmap(new Blob([image], { type: "image/jpeg" })).then((bitmap) => ({ bitmap, index })));
      };
      const giveUp = () => {
        last.take = onlate;
        fail(new Error(LATE)); // so that the next stroke is asked for: this request may be lost
      };
      model.send({ id, index }, undefined, [labels.buffer]);
      last = { id, take, timer: setTimeout(giveUp, PATIENCE) };
    });
  };
  const close = () => {
    clearTimeout(last.timer);
    model.off("msg:custom", listen);
  };
  model.on("msg:custom", listen);
  return { translate, close };
}

export default { render };

// The board as a notebook's widget: the kernel computes. anywidget calls render.

import { Board } from "./board.js";

const PATIENCE = 15_000; // ms

function render({ model, el }) {
  const { examples, ...data } = model.get("data"); // made by DrawingBoard.__init__ in board.py
  const blobs = examples.map(({ name, image }) => ({ name, image: new Blob([image]) }));
  const board = new Board(el, { ...data, examples: blobs }, kernel(model, (words) => board.say(words)));
  if (blobs.length) board.example(0).then((shapes) => board.begin(shapes));
  else board.refresh();
  return () => board.root.remove();
}

/** The network of the kernel. A request has the label map only if it is another one than before.
 * @returns {import("./board.js").Translate}
 */
function kernel(model, say) {
  const own = Math.random(); // several views of a widget may ask
  let number = 0;
  let known = null;
  return ({ labels, index }) => {
    const id = `${own} ${(number += 1)}`;
    const late = "The kernel has not answered yet. If it is busy, the picture comes afterwards; else run the cell again.";
    const timer = setTimeout(() => say(late), PATIENCE);
    const answered = new Promise((done) => {
      const listen = () => {
        const answer = model.get("answer");
        if (answer.id !== id) return;
        model.off("change:answer", listen);
        clearTimeout(timer);
        done(answer);
      };
      model.on("change:answer", listen);
    });
    model.set("request", { id, index, labels: labels === known ? null : labels });
    model.save_changes();
    known = labels;
    return answered.then(async ({ image, error }) => {
      if (error) throw new Error(error);
      say("");
      return createImageBitmap(new Blob([image], { type: "image/jpeg" }));
    });
  };
}

export default { render };

// What a first visit sees: a place to draw at, and two λ side by side.

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Place in px of the label map
 * @typedef {import("./widgets/drawing/board.js").Board} Board
 */

const SEEN = "pix2pix-colab seen";

/** Show where to draw, until something is drawn; on the first visit also the A/B wipe.
 * @param {Board} board that shows the drawing to begin with @param {Place} place
 * @returns {(board: Board) => void} to be called after each change
 */
export function invite(board, place) {
  const box = document.createElement("div");
  const frame = box.appendChild(document.createElement("span"));
  box.className = "invite";
  frame.appendChild(document.createElement("b")).textContent = "Drag a window here";
  const share = (px) => `${(100 * px) / board.size}%`;
  Object.assign(frame.style, { left: share(place.x), top: share(place.y), width: share(place.width), height: share(place.height) });
  board.drawing.after(box);
  const { shapes } = board;
  if (!seen()) board.view.compare.open(board.view.wanted);
  return () => {
    if (board.shapes !== shapes) box.remove();
  };
}

function seen() {
  try {
    const before = localStorage.getItem(SEEN);
    localStorage.setItem(SEEN, "1");
    return Boolean(before);
  } catch {
    return false; // the browser keeps nothing
  }
}

// Parts and images from and to the clipboard, and images that are dropped.

import { decodeDrawing, encodeDrawing } from "./address.js";
import { addCopy, removeSelected, selectedPart } from "./selection.js";

/** @typedef {import("./board.js").Board} Board */

const PART = "pix2pix-colab part "; // what a copied part begins with, as text

/** Copy, cut and paste parts; open images that are pasted or dropped. What is not the board's is left alone.
 * @param {Board} board @param {HTMLElement | Document} target that hears it
 */
export function listenToClipboard(board, target) {
  const listen = (kind, act) => {
    target.addEventListener(kind, (event) => {
      if (!act(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  };
  const copy = ({ clipboardData }) => {
    const part = selectedPart(board);
    if (!part || !getSelection().isCollapsed) return false;
    clipboardData.setData("text/plain", PART + encodeDrawing([part], board.size));
    return true;
  };
  const cut = (event) => {
    const copied = copy(event);
    if (copied) removeSelected(board);
    return copied;
  };
  listen("copy", copy);
  listen("cut", cut);
  listen("paste", ({ clipboardData }) => openImage(board, clipboardData) || pastePart(board, clipboardData.getData("text/plain")));
  listen("dragover", ({ dataTransfer }) => dataTransfer.types.includes("Files"));
  listen("drop", ({ dataTransfer }) => openImage(board, dataTransfer));
}

/** @param {Board} board @param {DataTransfer} from */
function openImage(board, { files }) {
  if (files.length) board.open(files[0]);
  return files.length > 0;
}

function pastePart(board, text) {
  if (!text.startsWith(PART)) return false;
  try {
    addCopy(board, decodeDrawing(text.slice(PART.length), board.size, board.palette.length)[0]);
  } catch {
    board.say("What was copied is no part of such a board.");
  }
  return true;
}

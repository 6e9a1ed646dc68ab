// The address: #lambda=…&drawing=…, and in a link that is sent, &preview=….

import { recall } from "./memory.js";
import { writePreview } from "./preview.js";
import { decodeDrawing, encodeDrawing, fitsAddress } from "./widgets/drawing/address.js";

/**
 * @typedef {import("./page.js").Site} Site
 * @typedef {import("./network.js").Network} Network
 * @typedef {import("./widgets/drawing/board.js").Board} Board
 */

const SAVE_AFTER = 300; // ms without a move of λ: browsers allow few changes of the address a second
const SAVE_AGAIN = 5000; // ms after a browser has refused one
const L1 = "L1"; // λ = ∞
const NO_LAMBDA = "The λ of this link can't be read: it is a number from 0 on, or L1.";
const ANCHORS = [0, 1, 10, 100, 1000, Infinity]; // of the path that old links, which hold a position, were made with

/** The end of an address that holds a board's drawing and λ. @param {Board} board @param {Site} site */
function hashOf(board, site) {
  const asked = new URLSearchParams({ lambda: `${site.positions[board.index].lambda ?? L1}` });
  if (fitsAddress(board.shapes)) asked.set("drawing", encodeDrawing(board.shapes, board.size));
  return `#${asked}`;
}

/** The position of λ that is nearest to what an address asks for. @param {URLSearchParams} asked @param {Site} site */
export function indexIn(asked, site) {
  const lambda = asked.has("lambda") ? lambdaIn(asked.get("lambda")) : lambdaAt(numberIn(asked.get("at") ?? ""));
  if (!(lambda >= 0)) return undefined;
  const apart = site.positions.map((position) => Math.abs(scaled(position.lambda ?? Infinity) - scaled(lambda)));
  return apart.indexOf(Math.min(...apart));
}

const lambdaIn = (text) => (text === L1 ? Infinity : numberIn(text));

const numberIn = (text) => (text.trim() ? Number(text) : Number.NaN); // not what only begins as a number

const scaled = (lambda) => (lambda === Infinity ? 1 : lambda / (100 + lambda)); // so that ∞ has a place, too

/** λ at a position among the anchors: LambdaPath.lambda_at in lambda_path.py. */
function lambdaAt(position) {
  const at = Math.min(ANCHORS.length - 1, Math.max(0, position));
  const part = at % 1;
  const [low, high] = [ANCHORS[Math.floor(at)], ANCHORS[Math.ceil(at)]];
  if (high === Infinity && part) return low / (1 - part);
  return low ? low * (high / low) ** part : part * high || low;
}

/** Take λ and the drawing of the address. What can't be read is said; then λ and the drawing stay as they are, or an example takes
 * its place.
 * @param {Board} board @param {Site} site @param {Network} network that gets the preview
 * @returns {Promise<string>} what was said
 */
export async function openAddress(board, site, network) {
  const asked = new URLSearchParams(location.hash.slice(1));
  const index = indexIn(asked, site);
  board.index = index ?? board.index;
  board.lambda.show(board.index);
  const first = !board.view.wanted;
  const words = [];
  if (index === undefined && (asked.has("lambda") || asked.has("at"))) words.push(NO_LAMBDA);
  let shapes = null;
  if (asked.has("drawing")) {
    try {
      const own = decodeDrawing(asked.get("drawing"), board.size, board.palette.length);
      network.preview = { labels: board.labelsOf(own), text: asked.get("preview") ?? "", index: board.index };
      shapes = (!asked.has("preview") && (await exampleOf(asked.get("drawing"), board))) || own;
    } catch (error) {
      words.push(`${error.message} So ${first ? "an example is shown" : "your drawing stays"}.`);
    }
  }
  const text = shapes ? asked.get("drawing") : "";
  if (first) board.begin(shapes ?? (await exampleOrEmpty(board, site)), ...recall(text, board)); // before a large image
  else if (shapes) board.draw(shapes);
  else board.refresh();
  if (words.length || !first) board.say(words.join(" "));
  return words.join(" ");
}

const exampleOrEmpty = (board, site) => (board.data.examples.length ? board.example(0) : site.empty);

/** The shapes of the example that a text holds, if it is one: its frames are there before the network is. */
async function exampleOf(text, board) {
  const examples = await Promise.all(board.data.examples.map((_, i) => board.example(i)));
  return examples.find((shapes) => fitsAddress(shapes) && encodeDrawing(shapes, board.size) === text);
}

/** What saves each change of a board: of the drawing at once, of λ when it has come to rest. */
export function saver(site) {
  let timer = 0;
  let saved = null;
  const save = (board) => {
    try {
      history.replaceState(null, "", hashOf(board, site));
    } catch {
      timer = setTimeout(save, SAVE_AGAIN, board);
    }
  };
  return (board) => {
    clearTimeout(timer);
    if (board.shapes === saved) timer = setTimeout(save, SAVE_AFTER, board);
    else save(board);
    saved = board.shapes;
  };
}

/** Copy a link. @param {Board} board @param {Site} site @returns {Promise<string>} what the user should know */
export async function share(board, site) {
  if (!fitsAddress(board.shapes)) return "A link can't hold so many parts: save the drawing as a PNG and send that.";
  const { shown, coarse, wanted, canvas } = board.view;
  const link = hashOf(board, site) + ([shown, coarse].includes(wanted) ? `&preview=${writePreview(canvas)}` : "");
  try {
    await navigator.clipboard.writeText(new URL(link, location.href).href);
    return "The link to your drawing is copied.";
  } catch {
    // the user copies it, then
  }
  try {
    history.replaceState(null, "", link);
    return "Copy the address of this page: it holds your drawing.";
  } catch {
    return "The browser allows no link now: try again in a minute, or save the drawing.";
  }
}

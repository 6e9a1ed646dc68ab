// The page: the drawing board with a network in the browser. What is drawn stands in the address.

import { decodeDrawing, encodeDrawing } from "./drawing/address.js";
import { Board } from "./drawing/board.js";
import { Network } from "./network.js";

/**
 * @typedef {import("./drawing/board.js").BoardData} BoardData
 * @typedef {{frames: string, name: string, image: string}} Example addresses of a label map and of its outputs
 * @typedef {Omit<BoardData, "examples"> & {positions: {at: number}[], examples: Example[], files: Record<string, number>,
 *   frameStep: number, training: string}} Site site.json, which tools/build_site.py writes
 */

const SAVE_AFTER = 300; // ms without a change; browsers allow few changes of the address a second

async function open() {
  /** @type {Site} */
  const site = await (await fetch("site.json")).json();
  const examples = site.examples.map(async ({ name, image }) => ({ name, image: await (await fetch(image)).blob() }));
  const data = { ...site, examples: await Promise.all(examples) };
  const main = document.getElementById("board");
  main.replaceChildren();
  document.getElementById("training").textContent = site.training;
  const network = new Network(site, (part) => board.showLoading(part));
  let timer = 0;
  const onchange = () => {
    clearTimeout(timer);
    timer = setTimeout(() => saveToAddress(board, site), SAVE_AFTER);
  };
  const board = new Board(main, data, (job) => network.translate(job), { onchange, share: () => share(board, site) });
  addEventListener("hashchange", () => openAddress(board, site));
  await openAddress(board, site);
  try {
    await network.load();
    board.refresh();
    await keepOffline();
  } catch (error) {
    board.say(error.message);
  }
}

// --- the address

/** #drawing=…&at=…: the shapes, and the position of λ. What can't be read is said, and an example takes its place. */
async function openAddress(board, site) {
  const asked = new URLSearchParams(location.hash.slice(1));
  const at = Number.parseFloat(asked.get("at") ?? "");
  const apart = site.positions.map((position) => Math.abs(position.at - at));
  if (Number.isFinite(at)) board.index = apart.indexOf(Math.min(...apart));
  board.lambda.show(board.index);
  let words = "";
  if (asked.has("drawing")) {
    try {
      return board.begin(decodeDrawing(asked.get("drawing"), board.size, board.palette.length));
    } catch (error) {
      words = `${error.message} So an example is shown.`;
    }
  }
  board.begin(await board.example(0));
  if (words) board.say(words);
}

function saveToAddress(board, site) {
  const asked = new URLSearchParams({ at: String(site.positions[board.index].at) });
  if (board.shapes.every(({ kind }) => kind !== "pixels")) asked.set("drawing", encodeDrawing(board.shapes, board.size));
  history.replaceState(null, "", `#${asked}`);
}

async function share(board, site) {
  saveToAddress(board, site);
  const own = board.shapes.some(({ kind }) => kind === "pixels");
  if (own) return "A link can't hold your image: save the drawing as a PNG and send that.";
  try {
    await navigator.clipboard.writeText(location.href);
    return "The link to your drawing is copied.";
  } catch {
    return "Copy the address of this page: it holds your drawing.";
  }
}

// --- without a network

async function keepOffline() {
  const worker = navigator.serviceWorker; // none, if the page does not come by https
  const registered = await worker?.register("offline.js").catch(() => null); // or the user allows none
  if (!registered) return;
  await worker.ready;
  document.getElementById("offline").textContent = "This page now works without a network, too.";
}

open().catch((error) => {
  document.querySelector(".waiting").textContent = `The page can't be loaded: ${error.message}. Reload it.`;
});

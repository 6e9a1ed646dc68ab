// The page: the drawing board with a network in the browser. What is drawn stands in the address.

import { decodeDrawing, encodeDrawing, fitsAddress } from "./widgets/drawing/address.js";
import { Board } from "./widgets/drawing/board.js";
import { Network } from "./network.js";

/**
 * @typedef {import("./widgets/drawing/board.js").BoardData} BoardData
 * @typedef {{frames: string, name: string, image: string}} Example addresses of a label map and of its outputs
 * @typedef {Omit<BoardData, "examples"> & {positions: {at: number}[], examples: Example[], files: Record<string, number>,
 *   frameStep: number, training: string}} Site site.json, which tools/build_site.py writes
 */

const SAVE_AFTER = 300; // ms without a move of λ: browsers allow few changes of the address a second
const SAVE_AGAIN = 5000; // ms after a browser has refused one

async function open() {
  /** @type {Site} */
  const site = await (await fetchFile("site.json")).json();
  const images = await Promise.all(site.examples.map(({ image }) => loadImage(image)));
  site.examples = site.examples.filter((_, i) => images[i]); // without the others it works, too
  const loaded = images.filter(Boolean);
  const data = { ...site, examples: site.examples.map((each, i) => ({ ...each, image: loaded[i] })) };
  const main = document.getElementById("board");
  main.replaceChildren();
  document.getElementById("training").textContent = site.training;
  const network = new Network(site, (part) => showLoading(main, part));
  const judge = site.critic ? () => network.judge() : undefined;
  const options = { onchange: saver(site), share: () => share(board, site), judge };
  const board = new Board(main, data, (job) => network.translate(job), options);
  addEventListener("hashchange", () => openAddress(board, site));
  addEventListener("keydown", (event) => event.target === document.body && board.onKey(event));
  await openAddress(board, site);
  try {
    await network.load();
    board.refresh();
    await keepOffline();
  } catch (error) {
    board.say(error.message);
  }
}

/** @param {HTMLElement} main @param {number} part of the network that is loaded, from 0 to 1 */
function showLoading(main, part) {
  const progress = main.querySelector("progress");
  progress.value = part;
  progress.parentElement.hidden = part === 1;
}

// --- the address

/** #drawing=…&at=…: the shapes, and the position of λ. What can't be read is said; then the drawing stays as it is, or an
 * example takes its place.
 */
async function openAddress(board, site) {
  const asked = new URLSearchParams(location.hash.slice(1));
  const at = Number.parseFloat(asked.get("at") ?? "");
  const apart = site.positions.map((position) => Math.abs(position.at - at));
  if (Number.isFinite(at)) board.index = apart.indexOf(Math.min(...apart));
  board.lambda.show(board.index);
  const first = !board.wanted;
  const take = (shapes) => (first ? board.begin(shapes) : board.draw(shapes));
  let words = "";
  if (asked.has("drawing")) {
    try {
      const shapes = decodeDrawing(asked.get("drawing"), board.size, board.palette.length);
      return take((await exampleOf(asked.get("drawing"), board)) ?? shapes);
    } catch (error) {
      words = `${error.message} So ${first ? "an example is shown" : "your drawing stays"}.`;
    }
  }
  if (first) board.begin(board.data.examples.length ? await board.example(0) : site.empty);
  else board.refresh();
  if (words) board.say(words);
}

/** The shapes of the example that a text holds, if it is one: its frames are there before the network is. */
async function exampleOf(text, board) {
  const examples = await Promise.all(board.data.examples.map((_, i) => board.example(i)));
  return examples.find((shapes) => fitsAddress(shapes) && encodeDrawing(shapes, board.size) === text);
}

/** What saves each change of a board: of the drawing at once, of λ when it has come to rest. */
function saver(site) {
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

/** The end of an address that holds a board's drawing and λ. */
function hashOf(board, site) {
  const asked = new URLSearchParams({ at: String(site.positions[board.index].at) });
  if (fitsAddress(board.shapes)) asked.set("drawing", encodeDrawing(board.shapes, board.size));
  return `#${asked}`;
}

async function share(board, site) {
  if (!fitsAddress(board.shapes)) return "A link can't hold so many parts: save the drawing as a PNG and send that.";
  try {
    await navigator.clipboard.writeText(new URL(hashOf(board, site), location.href).href);
    return "The link to your drawing is copied.";
  } catch {
    // the user copies it, then
  }
  try {
    history.replaceState(null, "", hashOf(board, site));
    return "Copy the address of this page: it holds your drawing.";
  } catch {
    return "The browser allows no link now: try again in a minute, or save the drawing.";
  }
}

// --- without a network

const sayBelow = (words) => (document.getElementById("offline").textContent = words);

const serviceWorker = navigator.serviceWorker; // none, if the page does not come by https
const old = serviceWorker?.controller; // which gave this page; a new build may take its place before the network is loaded
let renewed = false;
serviceWorker?.addEventListener("controllerchange", () => {
  renewed = Boolean(old);
  if (renewed) sayBelow("There is a new version of this page: reload it.");
});

async function keepOffline() {
  const registered = await serviceWorker?.register("offline.js").catch(() => null); // or the user allows none
  const kept = registered && (await isActive(registered));
  if (renewed) return;
  sayBelow(kept ? "This page now works without a network, too." : "This browser does not keep the page for times without a network.");
}

/** @param {ServiceWorkerRegistration} registration @returns {Promise<boolean>} false if the files could not be kept */
function isActive({ active, installing, waiting }) {
  const worker = installing ?? waiting;
  if (active || !worker) return Promise.resolve(Boolean(active));
  return new Promise((done) => {
    worker.onstatechange = () => {
      if (["activated", "redundant"].includes(worker.state)) done(worker.state === "activated");
    };
  });
}

/** @returns {Promise<Blob | null>} null if the file is lost, or no image */
async function loadImage(file) {
  try {
    const image = await (await fetchFile(file)).blob();
    (await createImageBitmap(image)).close();
    return image;
  } catch {
    return null;
  }
}

async function fetchFile(file) {
  const response = await fetch(file).catch(() => null);
  if (!response?.ok) throw new Error(`${file} can't be loaded (${response?.status ?? "no answer"}).`);
  return response;
}

open().catch((error) => {
  const place = document.querySelector(".waiting") ?? document.querySelector("[role=status]");
  place.textContent = `The page can't be opened: ${error.message} Reload it.`;
});

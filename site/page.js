// The page: the drawing board with a network in the browser. What is drawn stands in the address.

import { offerFilm } from "./film.js";
import { invite } from "./invite.js";
import { openAddress, saver, share } from "./links.js";
import { remember } from "./memory.js";
import { Network } from "./network.js";
import { Board } from "./widgets/drawing/board.js";
import { listenToClipboard } from "./widgets/drawing/clipboard.js";

/**
 * @typedef {import("./widgets/drawing/board.js").BoardData} BoardData
 * @typedef {{frames: string, name: string, image: string, place?: import("./invite.js").Place}} Example addresses of a label map
 *   and of its outputs; and where in it a visitor is invited to draw
 * @typedef {Omit<BoardData, "examples" | "positions"> & {examples: Example[],
 *   positions: (import("./widgets/drawing/board.js").Position & {at: number, lambda: number | null})[],
 *   files: Record<string, Packed>, frameStep: number, training: string, film: boolean}} Site site.json, which
 *   tools/build_site.py writes
 * @typedef {{size: number, digest: string}} Packed a file's bytes, packed; and the SHA-256 of what is in it
 */

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
  if (site.film) offerFilm(document.getElementById("film"));
  const network = new Network(site, (...bytes) => showLoading(main, ...bytes));
  const judge = site.critic ? (job) => network.judge(job) : undefined;
  const load = () => (network.whole && !network.failed ? Promise.resolve() : network.load(() => board.refresh()));
  const sayCoarse = () => network.coarse && board.say("", network.coarse);
  const changed = [saver(site), remember, sayCoarse];
  const onchange = (board) => changed.forEach((each) => each(board));
  const retry = async () => {
    await load();
    keepOffline(); // nobody waits for it
  };
  const onpen = (down) => network.hold(down);
  const options = { onchange, onpen, share: () => share(board, site), judge, retry };
  const board = new Board(main, data, (job) => network.translate(job), options);
  listenToClipboard(board, document);
  addEventListener("hashchange", () => openAddress(board, site, network));
  addEventListener("keydown", (event) => event.target === document.body && board.onKey(event));
  const link = location.hash.length > 1;
  const words = await openAddress(board, site, network);
  if (!link && site.examples[0]?.place) changed.push(invite(board, site.examples[0].place));
  try {
    await load();
    board.refresh();
    await keepOffline();
  } catch (error) {
    board.say(words, error);
  }
}

/** @param {HTMLElement} main @param {number} loaded bytes of the network @param {number} total */
function showLoading(main, loaded, total) {
  const progress = main.querySelector("progress");
  progress.value = 0.99 * (loaded / total); // starting it takes a moment, too
  progress.previousElementSibling.textContent = [loaded, total].map((bytes) => (bytes / 1e6).toFixed(1)).join(" of ") + " MB";
  progress.parentElement.hidden = total === 1;
}

// --- without a network

const sayBelow = (words) => (document.getElementById("offline").textContent = words);

const serviceWorker = navigator.serviceWorker; // none, if the page does not come by https
let keeper = serviceWorker?.controller; // which gave this page, or kept it; a new build may take its place at any time
let renewed = false;
serviceWorker?.addEventListener("controllerchange", () => {
  renewed ||= Boolean(keeper);
  keeper = serviceWorker.controller;
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

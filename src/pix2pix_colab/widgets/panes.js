// The panes of each view: a caption, an image, and how it is painted.

import { element } from "./elements.js";
import { paint, paintDifference, paintFramed, paintWipe } from "./painting.js";
import { listenToPointers } from "./pointers.js";

/**
 * @import { Ui } from "./state.js"
 * @import { Pane } from "./painting.js"
 */

/** @type {(ui: Ui) => Pane} */
const source = (ui) => ({ caption: "source", bitmap: ui.bitmaps.sources[ui.image] });
/** @type {(ui: Ui) => Pane} */
const target = (ui) => ({ caption: "target", bitmap: ui.bitmaps.targets[ui.image] });
/** @type {(ui: Ui, i?: number) => Pane} */
const output = (ui, i = ui.index) => ({ caption: ui.data.positions[i].label, bitmap: ui.bitmaps.outputs[i][ui.image] });
/** @type {(ui: Ui) => Pane} */
const framed = (ui) => ({ ...output(ui), current: true, paint: paintFramed });

/** @type {Record<string, (ui: Ui) => Pane[]>} by view */
const PANES = {
  side: (ui) => [source(ui), { ...output(ui), main: true }, ...(ui.known ? [target(ui)] : [])],
  wipe: (ui) => {
    const [a, b] = [output(ui), ui.state.against === "target" ? target(ui) : output(ui, ui.state.against)];
    return [{ ...a, over: b.bitmap, paint: paintWipe, caption: `A: ${a.caption}  |  B: ${b.caption}`, main: true }];
  },
  difference: (ui) => {
    const apart = { over: target(ui).bitmap, paint: paintDifference, caption: "2 × |output − target|", main: true };
    return [output(ui), { ...output(ui), ...apart }, target(ui)];
  },
  all: (ui) => [
    ...(ui.known && !ui.path ? [] : [source(ui)]),
    ...ui.data.positions.flatMap(({ stop }, i) => (i === ui.index ? [framed(ui)] : stop ? [output(ui, i)] : [])),
  ],
};

/**
 * Paint all panes of the view, once the images are decoded.
 *
 * @param {Ui} ui
 */
export function paintStage(ui) {
  if (ui.root.getAttribute("aria-busy") === "true") return;
  const panes = PANES[ui.state.view](ui);
  ui.stage.dataset.view = ui.state.view;
  panes.forEach((pane, i) => paintPane(ui, figureOf(ui, i), pane));
  [...ui.stage.querySelectorAll("figure")].slice(panes.length).forEach((figure) => (figure.hidden = true));
}

/**
 * @param {Ui} ui
 * @param {number} i
 * @returns {HTMLElement} made when it is needed first, and kept
 */
function figureOf(ui, i) {
  const there = ui.stage.querySelectorAll("figure")[i];
  if (there) return there;
  const figure = ui.stage.appendChild(element("figure"));
  const canvas = element("canvas", { role: "img" });
  figure.append(element("figcaption"), canvas);
  ui.resized.observe(figure);
  listenToPointers(ui, canvas);
  return figure;
}

/**
 * @param {Ui} ui
 * @param {HTMLElement} figure
 * @param {Pane} pane
 */
function paintPane(ui, figure, pane) {
  const [caption, canvas] = [figure.querySelector("figcaption"), figure.querySelector("canvas")];
  figure.hidden = false;
  figure.className = pane.main ? "main" : pane.current ? "current" : "";
  if (caption.textContent !== pane.caption) caption.textContent = pane.caption;
  canvas.setAttribute("aria-label", `${pane.caption}, ${ui.data.names[ui.image]}`);
  const ratio = pane.bitmap.height / pane.bitmap.width;
  canvas.style.aspectRatio = `${1 / ratio}`;
  const width = Math.round(canvas.clientWidth * devicePixelRatio) || pane.bitmap.width;
  const height = Math.round(width * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height }); // this clears it
  if (pane.paint) pane.paint(ui, canvas, pane);
  else paint(ui, canvas, pane.bitmap);
}

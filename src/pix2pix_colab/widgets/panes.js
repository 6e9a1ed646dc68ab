// The panes of each view: a caption, an image, and how it is painted.

import { shareReal } from "./critic.js";
import { element } from "./elements.js";
import { paint, paintCritic, paintDifference, paintFramed, paintWipe } from "./painting.js";
import { listenToPointers } from "./pointers.js";

/**
 * @import { Slider } from "./slider.js"
 * @import { Pane } from "./painting.js"
 */

/** @type {(slider: Slider) => Pane} */
const source = (slider) => ({ caption: "source", bitmap: slider.bitmaps.sources[slider.image] });
/** @type {(slider: Slider) => Pane} */
const target = (slider) => ({ caption: "target", bitmap: slider.bitmaps.targets[slider.image] });
/** @type {(slider: Slider, i?: number) => Pane} */
const output = ({ bitmaps, data, image, index }, i = index) => ({
  caption: data.positions[i].label, bitmap: bitmaps.outputs[i][image],
});
/** @type {(slider: Slider) => Pane} */
const framed = (slider) => ({ ...output(slider), current: true, paint: paintFramed });

/** @type {(pane: Pane, verdicts: Uint8Array) => Pane} */
const judged = (pane, verdicts) => ({
  ...pane, verdicts, paint: paintCritic, caption: `${pane.caption}: ${shareReal(verdicts)} called real`,
});

/** @type {Record<string, (slider: Slider) => Pane[]>} by view */
const PANES = {
  side: (slider) => [source(slider), { ...output(slider), main: true }, ...(slider.known ? [target(slider)] : [])],
  wipe: (slider) => {
    const { against } = slider.state;
    const [a, b] = [output(slider), against === "target" ? target(slider) : output(slider, against)];
    return [{ ...a, over: b.bitmap, paint: paintWipe, caption: `A: ${a.caption}  |  B: ${b.caption}`, main: true }];
  },
  difference: (slider) => {
    const apart = { over: target(slider).bitmap, paint: paintDifference, caption: "2 × |output − target|", main: true };
    return [output(slider), { ...output(slider), ...apart }, target(slider)];
  },
  critic: (slider) => [
    source(slider),
    { ...judged(output(slider), slider.verdicts.outputs[slider.index][slider.image]), main: true },
    ...(slider.known ? [judged(target(slider), slider.verdicts.targets[slider.image])] : []),
  ],
  all: (slider) => [
    ...(slider.known && !slider.path ? [] : [source(slider)]),
    ...slider.data.positions.flatMap(({ stop }, i) =>
      i === slider.index ? [framed(slider)] : stop ? [output(slider, i)] : [],
    ),
  ],
};

/**
 * Paint all panes of the view, once the images are decoded.
 *
 * @param {Slider} slider
 */
export function paintStage(slider) {
  if (slider.root.getAttribute("aria-busy") === "true") return;
  const panes = PANES[slider.state.view](slider);
  slider.stage.dataset.view = slider.state.view;
  panes.forEach((pane, i) => paintPane(slider, figureOf(slider, i), pane));
  [...slider.stage.querySelectorAll("figure")].slice(panes.length).forEach((figure) => (figure.hidden = true));
}

/**
 * @param {Slider} slider
 * @param {number} i
 * @returns {HTMLElement} made when it is needed first, and kept
 */
function figureOf(slider, i) {
  const there = slider.stage.querySelectorAll("figure")[i];
  if (there) return there;
  const figure = slider.stage.appendChild(element("figure"));
  const canvas = element("canvas", { role: "img" });
  figure.append(element("figcaption"), canvas);
  slider.resized.observe(figure);
  listenToPointers(slider, canvas);
  return figure;
}

/**
 * @param {Slider} slider
 * @param {HTMLElement} figure
 * @param {Pane} pane
 */
function paintPane(slider, figure, pane) {
  const [caption, canvas] = [figure.querySelector("figcaption"), figure.querySelector("canvas")];
  figure.hidden = false;
  figure.className = pane.main ? "main" : pane.current ? "current" : "";
  if (caption.textContent !== pane.caption) caption.textContent = pane.caption;
  canvas.setAttribute("aria-label", `${pane.caption}, ${slider.data.names[slider.image]}`);
  const ratio = pane.bitmap.height / pane.bitmap.width;
  canvas.style.aspectRatio = `${1 / ratio}`;
  const width = Math.round(canvas.clientWidth * devicePixelRatio) || pane.bitmap.width;
  const height = Math.round(width * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height }); // this clears it
  if (pane.paint) pane.paint(slider, canvas, pane);
  else paint(slider, canvas, pane.bitmap);
}

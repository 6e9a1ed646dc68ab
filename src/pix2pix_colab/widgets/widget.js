// The λ slider: the notebook's widget (anywidget calls render) and the page (page.html calls it).
// All images are decoded before the first move. A move only paints: nothing is fetched, computed or rebuilt.

import { addAgainst, addViews, listenToControls, listenToKeys, showControls } from "./controls.js";
import { element } from "./elements.js";
import { blob, decode } from "./images.js";
import { lambdaControl } from "./lambda_control.js";
import { addMetrics, showMetrics } from "./metrics.js";
import { paintStage } from "./panes.js";
import { hideSaved } from "./saved_form.js";
import { move, within } from "./state.js";

/** @import { Data, Model, Ui } from "./state.js" */

const BODY = `
  <div class="tools">
    <fieldset class="views"><legend>View</legend></fieldset>
    <label class="against">against <select></select></label>
    <span class="zoom" role="group" aria-label="Zoom">
      <button type="button" data-zoom="out" aria-label="Zoom out">−</button><output></output><button
        type="button" data-zoom="in" aria-label="Zoom in">+</button>
    </span>
  </div>
  <div class="body">
    <div class="left">
      <div class="stage"></div>
      <input class="divider" type="range" min="0" max="1" step="0.01" aria-label="Divider between A and B">
      <div class="thumbnails" role="group" aria-label="Test image"></div>
    </div>
    <table class="metrics"><caption></caption><tbody></tbody></table>
  </div>`;

/**
 * Put a slider into an element.
 *
 * @param {{model: Model, el: HTMLElement}} parts
 * @returns {() => void} takes it down
 */
function render({ model, el }) {
  const ui = construct(model, el);
  addAgainst(ui);
  addViews(ui);
  addMetrics(ui);
  const [urls, images, showSaved] = [addThumbnails(ui), decodeAll(ui), hideSaved(model)];
  listenToControls(ui);
  listenToKeys(ui);
  for (const name of ["index", "image"]) model.on(`change:${name}`, ui.show);
  ui.show();
  return () => {
    ui.resized.disconnect();
    ui.root.remove();
    images.close();
    showSaved();
    urls.forEach(URL.revokeObjectURL);
    for (const name of ["index", "image"]) model.off(`change:${name}`, ui.show);
  };
}

/**
 * @param {Model} model
 * @param {HTMLElement} el
 * @returns {Ui} what all functions are given as `ui`
 */
function construct(model, el) {
  const root = el.appendChild(element("div", { className: "lambda-slider" }));
  root.innerHTML = BODY;
  root.setAttribute("aria-busy", "true"); // until all images are decoded
  /** @type {Data} */
  const data = model.get("data");
  const lambda = lambdaControl(data.positions, (index) => move(ui, { index }));
  root.prepend(lambda.heading, lambda.control);
  const path = lambda.stops.length < data.positions.length;
  root.classList.toggle("path", path);
  /** @type {(selector: string) => any} */
  const find = (selector) => root.querySelector(selector);
  const known = data.targets.length > 0;
  /** @type {Ui} */
  const ui = {
    model, data, root, lambda, find, known, path,
    select: find("select"), stage: find(".stage"), divider: find(".divider"),
    state: { view: known ? "side" : "all", against: lambda.stops.at(-1), divider: 0.5, scale: 1, x: 0.5, y: 0.5 },
    bitmaps: { sources: [], targets: [], outputs: [] },
    resized: new ResizeObserver(() => paintStage(ui)),
    show: () => show(ui),
    sizes: { index: data.positions.length, image: data.sources.length },
    get index() { return within(model.get("index"), this.sizes.index); },
    get image() { return within(model.get("image"), this.sizes.image); },
  };
  return ui;
}

/**
 * @param {Ui} ui
 * @returns {string[]} the URLs of their images, to be revoked
 */
function addThumbnails(ui) {
  const { sources, targets, names } = ui.data;
  ui.find(".thumbnails").hidden = sources.length < 2;
  return (ui.known ? targets : sources).map((encoded, image) => {
    const url = URL.createObjectURL(blob(encoded, ui.data.mime));
    const button = element("button", { type: "button", onclick: () => move(ui, { image }) });
    button.append(element("img", { src: url, alt: names[image] }));
    ui.find(".thumbnails").append(button);
    return url;
  });
}

/**
 * Decode all images, and show them as soon as they are there.
 *
 * @param {Ui} ui
 */
function decodeAll(ui) {
  const { sources, targets, outputs, mime } = ui.data;
  const images = decode([sources, targets, ...outputs], mime);
  const take = (/** @type {ImageBitmap[][]} */ decoded) => {
    if (!ui.root.parentNode) return; // taken down meanwhile
    [ui.bitmaps.sources, ui.bitmaps.targets, ...ui.bitmaps.outputs] = decoded;
    ui.root.setAttribute("aria-busy", "false");
    ui.show();
  };
  const fail = (/** @type {Error} */ error) => {
    ui.stage.textContent = `The browser can't show these images: ${error.message}`;
  };
  images.ready.then(take).catch(fail);
  return images;
}

/**
 * Show the state: nothing but this changes what is on the screen.
 *
 * @param {Ui} ui
 */
function show(ui) {
  ui.lambda.show(ui.index);
  ui.root.classList.toggle("between", !ui.data.positions[ui.index].stop);
  showControls(ui);
  ui.find(".thumbnails").childNodes.forEach((button, i) => button.setAttribute("aria-pressed", i === ui.image));
  showMetrics(ui);
  paintStage(ui);
}

export default { render };

// The λ slider: one module for the notebook's widget (anywidget calls render) and for the page (page.html calls it).
// All images are decoded before the first move. A move only paints: nothing is fetched, computed or rebuilt.

/**
 * @typedef {string | DataView} Encoded a WebP: base64 in the page, bytes in a notebook
 *
 * @typedef {object} Data what LambdaSlider.__init__ in widget.py sends
 * @property {string} mime the type of all images
 * @property {{label: string, short: string, meaning: string, stop: boolean}[]} positions one for each λ, in ascending
 *   order; a stop was trained, and what is between two stops is interpolated. The first and the last are stops
 * @property {Encoded[][]} outputs by position and test image
 * @property {Encoded[]} sources by test image
 * @property {Encoded[]} targets by test image; empty if they are unknown
 * @property {string[]} names by test image
 * @property {{name: string, values: (number | null)[]}[]} metrics each with a value for each position; null: not measured
 * @property {string} caption of the metrics
 */

const ZOOM = { least: 1, most: 8, step: 2 };
const VIEWS = { side: "Side by side", wipe: "A/B wipe", difference: "Difference", all: "All λ" };

const BODY = `
  <div class="heading" aria-live="polite"><b></b> <span></span></div>
  <div class="lambda"><input type="range" min="0" step="1" aria-label="λ"><div class="stops" aria-hidden="true"></div></div>
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

function render({ model, el }) {
  const ui = construct(model, el);
  addStops(ui);
  addViews(ui);
  addMetrics(ui);
  const urls = addThumbnails(ui);
  listenToControls(ui);
  listenToKeys(ui);
  const moved = () => show(ui);
  for (const name of ["index", "image"]) model.on(`change:${name}`, moved);
  decodeAll(ui);
  show(ui);
  return () => {
    ui.resized.disconnect();
    urls.forEach(URL.revokeObjectURL);
    for (const name of ["index", "image"]) model.off(`change:${name}`, moved);
  };
}

// --- construction: what every function below is given as `ui`, and the parts that depend on the data

function construct(model, el) {
  const root = el.appendChild(element("div", { className: "lambda-slider" }));
  root.innerHTML = BODY;
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab shall not take the arrow keys
  root.setAttribute("aria-busy", "true"); // until all images are decoded
  /** @type {Data} */
  const data = model.get("data");
  const stops = data.positions.flatMap(({ stop }, i) => (stop ? [i] : []));
  const path = stops.length < data.positions.length; // of λ: there is something between its stops
  root.style.setProperty("--stops", stops.length);
  root.classList.toggle("path", path);
  const find = (selector) => root.querySelector(selector);
  const known = data.targets.length > 0;
  const ui = {
    model, data, root, find, known, path,
    stops, // their indices among the positions
    lambda: find(".lambda input"), select: find("select"), stage: find(".stage"), divider: find(".divider"),
    state: { view: known ? "side" : "all", against: stops.at(-1), divider: 0.5, scale: 1, x: 0.5, y: 0.5 },
    bitmaps: { sources: [], targets: [], outputs: [] },
    resized: new ResizeObserver(() => paintStage(ui)),
    get index() { return model.get("index"); }, // of the λ shown
    get image() { return model.get("image"); }, // of the test image shown
  };
  return ui;
}

const element = (tag, properties) => Object.assign(document.createElement(tag), properties);

function addStops(ui) {
  const last = ui.data.positions.length - 1;
  ui.lambda.max = last;
  if (ui.path) ui.lambda.title = "Page Up and Page Down go from stop to stop";
  ui.stops.forEach((index, column) => {
    const { label, short } = ui.data.positions[index];
    const stop = element("span", { textContent: short, onclick: () => move(ui, { index }) });
    stop.style.setProperty("--shift", (index * (ui.stops.length - 1)) / Math.max(1, last) - column); // in columns
    ui.find(".stops").append(stop);
    ui.select.append(element("option", { value: index, textContent: label }));
  });
  if (ui.known) ui.select.append(element("option", { value: "target", textContent: "the target" }));
  ui.select.value = ui.state.against;
}

function addViews(ui) {
  const name = `view-${Math.random()}`; // of the radio buttons; several sliders may be on a page
  for (const [view, textContent] of Object.entries(VIEWS)) {
    if (view === "difference" && !ui.known) continue;
    const label = element("label", { textContent, onchange: () => change(ui, { view }) });
    label.prepend(element("input", { type: "radio", name, value: view, checked: view === ui.state.view }));
    ui.find(".views").append(label);
  }
}

function addMetrics({ data, find }) {
  find(".metrics").hidden = !data.metrics.length;
  find("caption").textContent = data.caption;
  for (const metric of data.metrics) {
    const row = find("tbody").appendChild(element("tr"));
    row.innerHTML = "<th scope='row'></th><td><svg viewBox='0 0 72 20' aria-hidden='true'></svg></td><td></td>";
    row.firstChild.textContent = metric.name;
  }
}

/** Returns the URLs of their images, to be revoked. */
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

function addPane(ui) {
  const figure = ui.stage.appendChild(element("figure"));
  figure.innerHTML = "<figcaption></figcaption><canvas role='img'></canvas>";
  ui.resized.observe(figure);
  listenToPointers(ui, figure.lastChild);
  return figure;
}

// --- images, decoded once

function blob(encoded, type) {
  const bytes = typeof encoded === "string" ? Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0)) : encoded;
  return new Blob([bytes], { type });
}

async function decodeAll(ui) {
  const { sources, targets, outputs, mime } = ui.data;
  const decode = (list) => Promise.all(list.map((encoded) => createImageBitmap(blob(encoded, mime))));
  try {
    const decoded = await Promise.all([decode(sources), decode(targets), ...outputs.map(decode)]);
    [ui.bitmaps.sources, ui.bitmaps.targets, ...ui.bitmaps.outputs] = decoded;
    ui.root.setAttribute("aria-busy", "false");
    show(ui);
  } catch (error) {
    ui.stage.textContent = `The browser can't show these images: ${error.message}`;
  }
}

// --- the panes of each view: a caption, an image, and how it is painted

const source = (ui) => ({ caption: "source", bitmap: ui.bitmaps.sources[ui.image] });
const target = (ui) => ({ caption: "target", bitmap: ui.bitmaps.targets[ui.image] });
const output = (ui, i = ui.index) => ({ caption: ui.data.positions[i].label, bitmap: ui.bitmaps.outputs[i][ui.image] });
const framed = (ui) => ({ ...output(ui), current: true, paint: paintFramed });

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

// --- painting: a canvas shows the zoomed part of an image

function paint(ui, canvas, bitmap) {
  const { scale, x, y } = ui.state;
  const [width, height] = [bitmap.width / scale, bitmap.height / scale];
  const [left, top] = [x * bitmap.width - width / 2, y * bitmap.height - height / 2];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = canvas.width < width * 3; // far in, pixels are shown as they are
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return context;
}

function paintWipe(ui, canvas, pane) {
  const at = Math.round(ui.state.divider * canvas.width);
  const context = paint(ui, canvas, pane.bitmap);
  context.save();
  context.beginPath();
  context.rect(at, 0, canvas.width - at, canvas.height);
  context.clip();
  paint(ui, canvas, pane.over);
  context.restore();
  for (const [colour, half] of [["#0006", 2], ["#fff", 1]]) { // seen on white, too
    context.fillStyle = colour;
    context.fillRect(at - half * devicePixelRatio, 0, 2 * half * devicePixelRatio, canvas.height);
  }
}

function paintFramed(ui, canvas, pane) {
  const context = paint(ui, canvas, pane.bitmap);
  const width = 3 * devicePixelRatio;
  context.strokeStyle = getComputedStyle(canvas.previousSibling).color;
  context.lineWidth = width;
  context.strokeRect(width / 2, width / 2, canvas.width - width, canvas.height - width);
}

function paintDifference(ui, canvas, pane) {
  const context = paint(ui, canvas, pane.bitmap);
  context.globalCompositeOperation = "difference";
  paint(ui, canvas, pane.over);
  context.globalCompositeOperation = "lighter"; // added to itself: twice as bright, or else it's hard to see
  context.drawImage(canvas, 0, 0);
  context.globalCompositeOperation = "source-over";
}

function paintStage(ui) {
  if (ui.root.getAttribute("aria-busy") === "true") return;
  const panes = PANES[ui.state.view](ui);
  ui.stage.dataset.view = ui.state.view;
  panes.forEach((pane, i) => paintPane(ui, ui.stage.children[i] ?? addPane(ui), pane));
  [...ui.stage.children].slice(panes.length).forEach((figure) => (figure.hidden = true));
}

function paintPane(ui, figure, pane) {
  const [caption, canvas] = figure.children;
  figure.hidden = false;
  figure.className = pane.main ? "main" : pane.current ? "current" : "";
  if (caption.textContent !== pane.caption) caption.textContent = pane.caption;
  canvas.setAttribute("aria-label", `${pane.caption}, ${ui.data.names[ui.image]}`);
  const ratio = pane.bitmap.height / pane.bitmap.width;
  canvas.style.aspectRatio = 1 / ratio;
  const width = Math.round(canvas.clientWidth * devicePixelRatio) || pane.bitmap.width;
  const height = Math.round(width * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height }); // this clears it
  if (pane.paint) pane.paint(ui, canvas, pane);
  else paint(ui, canvas, pane.bitmap);
}

// --- showing the state: nothing but this changes what is on the screen

function show(ui) {
  showLambda(ui);
  showControls(ui);
  ui.find(".thumbnails").childNodes.forEach((button, i) => button.setAttribute("aria-pressed", i === ui.image));
  ui.find("tbody").childNodes.forEach((row, i) => showMetric(ui, row, ui.data.metrics[i].values));
  paintStage(ui);
}

function showLambda({ data, find, index, lambda, root, stops }) {
  const { label, meaning, stop } = data.positions[index];
  lambda.value = index;
  lambda.setAttribute("aria-valuetext", stop ? label : `${label}, ${meaning}`);
  root.classList.toggle("between", !stop);
  find(".heading b").textContent = label;
  find(".heading span").textContent = meaning;
  find(".stops").childNodes.forEach((each, i) => each.classList.toggle("current", stops[i] === index));
}

function showControls({ divider, find, root, stage, state }) {
  find(".zoom output").textContent = `${Math.round(state.scale * 10) / 10}×`;
  find("[data-zoom=out]").disabled = state.scale === ZOOM.least;
  find("[data-zoom=in]").disabled = state.scale === ZOOM.most;
  root.classList.toggle("zoomed", state.scale > 1);
  find(".against").hidden = state.view !== "wipe";
  if (state.view !== "wipe") divider.remove();
  else if (!divider.isConnected) stage.after(divider);
  divider.value = state.divider;
}

/** A metric's value at the λ shown, and a line through all its values with a dot at this one, and small ones at stops. */
function showMetric({ index, path, stops }, row, values) {
  const [value, height] = [values[index], 20];
  row.lastChild.textContent = value === null ? "–" : value.toFixed(Math.abs(value) < 10 ? 3 : 1);
  const measured = values.filter((each) => each !== null);
  const [low, high] = [Math.min(...measured), Math.max(...measured)];
  const x = (i) => 4 + (i * 64) / Math.max(1, values.length - 1);
  const y = (each) => height - 4 - (high > low ? (each - low) / (high - low) : 0.5) * (height - 8);
  const points = values.flatMap((each, i) => (each === null ? [] : [`${x(i)},${y(each)}`]));
  const dot = (i, more) => (values[i] === null ? "" : `<circle cx="${x(i)}" cy="${y(values[i])}" ${more}/>`);
  const dots = [...(path ? stops.map((i) => dot(i, 'class="stop" r="1.8"')) : []), dot(index, 'r="3.5"')];
  row.querySelector("svg").innerHTML = `<polyline points="${points.join(" ")}"/>${dots.join("")}`;
}

// --- changing the state

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

function change(ui, changes) {
  Object.assign(ui.state, changes);
  show(ui);
}

/** To another λ (index) or test image (image); Python and other views of the widget are told. */
function move(ui, changes) {
  const sizes = { index: ui.data.positions.length, image: ui.data.sources.length };
  for (const [name, i] of Object.entries(changes)) ui.model.set(name, clamp(i, 0, sizes[name] - 1));
  ui.model.save_changes();
  show(ui);
}

function zoom(ui, wanted, x = ui.state.x, y = ui.state.y) {
  const scale = clamp(wanted, ZOOM.least, ZOOM.most);
  const half = 0.5 / scale; // nothing beyond the image's border is shown
  change(ui, { scale, x: clamp(x, half, 1 - half), y: clamp(y, half, 1 - half) });
}

/** Zoom so that what is under the pointer stays there. */
function zoomAt(ui, scale, canvas, event) {
  const [u, v] = position(canvas, event);
  const apart = 1 / ui.state.scale - 1 / clamp(scale, ZOOM.least, ZOOM.most);
  zoom(ui, scale, ui.state.x + (u - 0.5) * apart, ui.state.y + (v - 0.5) * apart);
}

/** Of the pointer, as shares of the canvas's width and height. */
function position(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

// --- controls, keys and gestures

function listenToControls(ui) {
  const { divider, find, lambda, select } = ui;
  lambda.oninput = () => move(ui, { index: +lambda.value });
  divider.oninput = () => change(ui, { divider: +divider.value });
  select.onchange = () => change(ui, { against: select.value === "target" ? "target" : +select.value });
  find("[data-zoom=in]").onclick = () => zoom(ui, ui.state.scale * ZOOM.step);
  find("[data-zoom=out]").onclick = () => zoom(ui, ui.state.scale / ZOOM.step);
}

const KEYS = {
  ArrowLeft: (ui) => move(ui, { index: ui.index - 1 }),
  ArrowRight: (ui) => move(ui, { index: ui.index + 1 }),
  ArrowUp: (ui) => move(ui, { image: ui.image - 1 }),
  ArrowDown: (ui) => move(ui, { image: ui.image + 1 }),
  PageDown: (ui) => move(ui, { index: ui.stops.findLast((stop) => stop < ui.index) ?? 0 }),
  PageUp: (ui) => move(ui, { index: ui.stops.find((stop) => stop > ui.index) ?? Infinity }),
  Home: (ui) => move(ui, { index: 0 }),
  End: (ui) => move(ui, { index: Infinity }),
  "+": (ui) => zoom(ui, ui.state.scale * ZOOM.step),
  "=": (ui) => zoom(ui, ui.state.scale * ZOOM.step), // + without Shift on many keyboards
  "-": (ui) => zoom(ui, ui.state.scale / ZOOM.step),
  0: (ui) => zoom(ui, 1),
};

function listenToKeys(ui) {
  ui.root.onkeydown = (event) => {
    event.stopPropagation();
    const own = event.target.matches("select, [type=radio], .divider") && !"+=-0".includes(event.key);
    if (!(event.key in KEYS) || own || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key](ui);
  };
}

/** Drag the divider, pan, pinch; zoom by double click, and by the wheel with Ctrl or ⌘. */
function listenToPointers(ui, canvas) {
  const held = new Map(); // the last event of each pointer that is down: fingers, or the mouse
  let wiping = false;
  canvas.onpointerdown = (event) => {
    if (event.button > 0) return; // another button opens a menu, and then nobody may tell when it is let go
    wiping = held.size === 0 && startsWipe(ui, canvas, event);
    held.set(event.pointerId, event);
    canvas.setPointerCapture(event.pointerId);
    ui.lambda.focus({ preventScroll: true }); // so that the arrow keys move λ
    event.preventDefault();
    if (wiping) wipeTo(ui, canvas, event);
  };
  canvas.onpointermove = (event) => {
    const last = held.get(event.pointerId);
    if (!last) return;
    const before = spread(held);
    held.set(event.pointerId, event);
    if (held.size === 2) zoomAt(ui, (ui.state.scale * spread(held)) / before, canvas, event);
    else if (wiping) wipeTo(ui, canvas, event);
    else pan(ui, canvas, last, event);
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => held.delete(event.pointerId);
  canvas.ondblclick = (event) => zoomAt(ui, ui.state.scale > 1 ? 1 : 4, canvas, event);
  canvas.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
    event.preventDefault();
    zoomAt(ui, ui.state.scale * Math.exp(-event.deltaY / 100), canvas, event);
  };
}

/** Anywhere on the whole image; on a zoomed one near the divider, since elsewhere a drag pans. */
function startsWipe({ state }, canvas, event) {
  const near = Math.abs(position(canvas, event)[0] - state.divider) * canvas.clientWidth < 24;
  return state.view === "wipe" && (near || state.scale === 1);
}

function wipeTo(ui, canvas, event) {
  change(ui, { divider: clamp(position(canvas, event)[0], 0, 1) });
}

function pan(ui, canvas, from, to) {
  const { scale, x, y } = ui.state;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  zoom(ui, scale, x - (to.clientX - from.clientX) / width, y - (to.clientY - from.clientY) / height);
}

/** The distance between two fingers, in px. */
function spread(held) {
  const [a, b = a] = held.values();
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}

export default { render };

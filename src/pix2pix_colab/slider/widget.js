// The λ slider: one module for the notebook's widget (anywidget calls render) and for the page (slider.html calls it).
// All images are decoded before the first move, and a move only draws them: nothing is fetched, computed or rebuilt.

const ZOOM = { least: 1, most: 8, step: 2 };
const VIEWS = { side: "Side by side", wipe: "A/B wipe", difference: "Difference", all: "All λ" };

const BODY = `
  <div class="words" aria-live="polite"><b></b> <span></span></div>
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

export function render({ model, el }) {
  const data = model.get("data");
  const count = data.sources.length;
  const known = data.targets.length > 0;
  const shown = { view: known ? "side" : "all", against: data.stops.length - 1, divider: 0.5, scale: 1, x: 0.5, y: 0.5 };
  const root = el.appendChild(document.createElement("div"));
  root.className = "lambda-slider";
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab shall not take the arrow keys
  root.setAttribute("aria-busy", "true");
  root.style.setProperty("--stops", data.stops.length);
  root.innerHTML = BODY;
  const find = (selector) => root.querySelector(selector);
  const [slider, select, stage, divider] = [".lambda input", "select", ".stage", ".divider"].map(find);
  const urls = [];
  const bitmaps = { sources: [], targets: [], outputs: [] };

  // --- what is shown

  const index = () => model.get("index");
  const image = () => model.get("image");
  const named = (text) => `${text}, ${data.names[image()]}`;
  const source = () => ({ caption: "source", bitmap: bitmaps.sources[image()] });
  const target = () => ({ caption: "target", bitmap: bitmaps.targets[image()] });
  const output = (i) => ({ caption: data.stops[i].label, bitmap: bitmaps.outputs[i][image()], stop: i });
  const opponent = () => (shown.against === "target" ? target() : output(shown.against));
  const photo = () => (known ? [target()] : []);
  const panes = {
    side: () => [source(), { ...output(index()), main: true }, ...photo()],
    wipe: () => {
      const [a, b] = [output(index()), opponent()];
      return [{ ...a, over: b, paint: wipe, caption: `A: ${a.caption}  |  B: ${b.caption}`, main: true }];
    },
    difference: () => {
      const ours = output(index());
      const apart = { ...ours, over: target().bitmap, paint: difference, caption: "2 × |output − target|", main: true };
      return [ours, apart, target()];
    },
    all: () => [
      ...(known ? [] : [source()]),
      ...data.stops.map((_, i) => ({ ...output(i), ...(i === index() && { current: true, paint: framed }) })),
    ],
  };

  // --- drawing: a pane is a canvas that shows the zoomed part of an image

  function place(canvas, bitmap) {
    const { scale, x, y } = shown;
    const [width, height] = [bitmap.width / scale, bitmap.height / scale];
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = canvas.width < width * 3; // far in, pixels are shown as they are
    context.imageSmoothingQuality = "high";
    const [left, top] = [x * bitmap.width - width / 2, y * bitmap.height - height / 2];
    context.drawImage(bitmap, left, top, width, height, 0, 0, canvas.width, canvas.height);
    return context;
  }

  function wipe(canvas, pane) {
    const at = Math.round(shown.divider * canvas.width);
    const context = place(canvas, pane.bitmap);
    context.save();
    context.beginPath();
    context.rect(at, 0, canvas.width - at, canvas.height);
    context.clip();
    place(canvas, pane.over.bitmap);
    context.restore();
    for (const [colour, half] of [["#0006", 2], ["#fff", 1]]) { // seen on white, too
      context.fillStyle = colour;
      context.fillRect(at - half * devicePixelRatio, 0, 2 * half * devicePixelRatio, canvas.height);
    }
  }

  function framed(canvas, pane) {
    const context = place(canvas, pane.bitmap);
    const width = 3 * devicePixelRatio;
    context.strokeStyle = getComputedStyle(find(".stops .current")).color;
    context.lineWidth = width;
    context.strokeRect(width / 2, width / 2, canvas.width - width, canvas.height - width);
  }

  function difference(canvas, pane) {
    const context = place(canvas, pane.bitmap);
    context.globalCompositeOperation = "difference";
    place(canvas, pane.over);
    context.globalCompositeOperation = "lighter"; // added to itself: twice as bright, or else it's hard to see
    context.drawImage(canvas, 0, 0);
    context.globalCompositeOperation = "source-over";
  }

  function figure(i) {
    const made = stage.children[i] ?? stage.appendChild(document.createElement("figure"));
    if (!made.firstChild) {
      made.innerHTML = "<figcaption></figcaption><canvas role='img'></canvas>";
      resized.observe(made);
      attach(made.querySelector("canvas"));
    }
    return made;
  }

  function draw() {
    if (root.getAttribute("aria-busy") === "true") return;
    const list = panes[shown.view]();
    stage.dataset.view = shown.view;
    list.forEach((pane, i) => {
      const made = figure(i);
      const [caption, canvas] = made.children;
      made.hidden = false;
      made.className = pane.main ? "main" : pane.current ? "current" : "";
      if (caption.textContent !== pane.caption) caption.textContent = pane.caption;
      canvas.setAttribute("aria-label", named(pane.caption));
      canvas.dataset.stop = pane.stop ?? "";
      const ratio = pane.bitmap.height / pane.bitmap.width;
      canvas.style.aspectRatio = 1 / ratio;
      const width = Math.round(canvas.clientWidth * devicePixelRatio) || pane.bitmap.width;
      const height = Math.round(width * ratio);
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height }); // this clears it
      (pane.paint ?? ((c, p) => place(c, p.bitmap)))(canvas, pane);
    });
    [...stage.children].slice(list.length).forEach((made) => (made.hidden = true));
  }

  function show() {
    const stop = data.stops[index()];
    slider.value = index();
    slider.setAttribute("aria-valuetext", stop.label);
    find(".words b").textContent = stop.label;
    find(".words span").textContent = stop.meaning;
    find(".stops").childNodes.forEach((each, i) => each.classList.toggle("current", i === index()));
    find(".thumbnails").childNodes.forEach((each, i) => each.setAttribute("aria-pressed", i === image()));
    find(".zoom output").textContent = `${Math.round(shown.scale * 10) / 10}×`;
    find("[data-zoom=out]").disabled = shown.scale === ZOOM.least;
    find("[data-zoom=in]").disabled = shown.scale === ZOOM.most;
    find(".against").hidden = shown.view !== "wipe";
    if (shown.view !== "wipe") divider.remove();
    else if (!divider.isConnected) stage.after(divider);
    divider.value = shown.divider;
    root.classList.toggle("zoomed", shown.scale > 1);
    find("tbody").childNodes.forEach((row, i) => measure(row, data.metrics[i]));
    draw();
  }

  // --- the metrics: a value, and a line of all λ with a dot at the one shown

  function measure(row, metric) {
    const [value, height] = [metric.values[index()], 20];
    row.lastChild.textContent = value === null ? "–" : format(value);
    const values = metric.values.filter((each) => each !== null);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const x = (i) => 4 + (i * 64) / Math.max(1, metric.values.length - 1);
    const y = (each) => height - 4 - (high > low ? (each - low) / (high - low) : 0.5) * (height - 8);
    const points = metric.values.flatMap((each, i) => (each === null ? [] : [`${x(i)},${y(each)}`]));
    const dot = value === null ? "" : `<circle cx="${x(index())}" cy="${y(value)}" r="3.5"/>`;
    row.querySelector("svg").innerHTML = `<polyline points="${points.join(" ")}"/>${dot}`;
  }

  // --- moves

  const format = (value) => value.toFixed(Math.abs(value) < 10 ? 3 : 1);
  const within = (value, least, most) => Math.min(most, Math.max(least, value));

  function move(changes) {
    for (const [name, size] of [["index", data.stops.length], ["image", count]]) {
      if (name in changes) model.set(name, within(changes[name], 0, size - 1));
    }
    model.save_changes();
    show();
  }

  function zoom(scale, x = shown.x, y = shown.y) {
    shown.scale = within(scale, ZOOM.least, ZOOM.most);
    const half = 0.5 / shown.scale; // nothing beyond the image's border is shown
    [shown.x, shown.y] = [within(x, half, 1 - half), within(y, half, 1 - half)];
    show();
  }

  function zoomAt(scale, canvas, event) { // what is under the pointer stays there
    const box = canvas.getBoundingClientRect();
    const [u, v] = [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
    const [from, to] = [1 / shown.scale, 1 / within(scale, ZOOM.least, ZOOM.most)];
    zoom(scale, shown.x + u * (from - to), shown.y + v * (from - to));
  }

  function attach(canvas) {
    const held = new Map(); // the fingers on it, or the mouse
    let wiping = false;
    const apart = () => {
      const [a, b] = [...held.values()];
      return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    };
    const wipeTo = (event) => {
      const box = canvas.getBoundingClientRect();
      shown.divider = within((event.clientX - box.left) / box.width, 0, 1);
      show();
    };
    canvas.onpointerdown = (event) => {
      if (event.button > 0) return; // another button opens a menu, and then nobody may tell when it is let go
      const box = canvas.getBoundingClientRect();
      const near = Math.abs(event.clientX - box.left - shown.divider * box.width) < 24;
      wiping = shown.view === "wipe" && held.size === 0 && (near || shown.scale === 1);
      held.set(event.pointerId, event);
      canvas.setPointerCapture(event.pointerId);
      slider.focus({ preventScroll: true }); // so that the arrow keys move λ
      event.preventDefault();
      if (wiping) wipeTo(event);
    };
    canvas.onpointermove = (event) => {
      const last = held.get(event.pointerId);
      if (!last) return;
      const before = held.size === 2 ? apart() : 0;
      held.set(event.pointerId, event);
      if (held.size === 2) return zoomAt(shown.scale * (apart() / before), canvas, event);
      if (wiping) return wipeTo(event);
      const size = canvas.clientWidth * shown.scale;
      const down = canvas.clientHeight * shown.scale;
      zoom(shown.scale, shown.x - (event.clientX - last.clientX) / size, shown.y - (event.clientY - last.clientY) / down);
    };
    canvas.onpointerup = canvas.onpointercancel = (event) => held.delete(event.pointerId);
    canvas.ondblclick = (event) => zoomAt(shown.scale > 1 ? 1 : 4, canvas, event);
    canvas.onwheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
      event.preventDefault();
      zoomAt(shown.scale * Math.exp(-event.deltaY / 100), canvas, event);
    };
  }

  const KEYS = {
    ArrowLeft: () => move({ index: index() - 1 }),
    ArrowRight: () => move({ index: index() + 1 }),
    ArrowUp: () => move({ image: image() - 1 }),
    ArrowDown: () => move({ image: image() + 1 }),
    Home: () => move({ index: 0 }),
    End: () => move({ index: data.stops.length - 1 }),
    "+": () => zoom(shown.scale * ZOOM.step),
    "=": () => zoom(shown.scale * ZOOM.step), // + without Shift on many keyboards
    "-": () => zoom(shown.scale / ZOOM.step),
    0: () => zoom(1),
  };
  root.onkeydown = (event) => {
    event.stopPropagation();
    const own = event.target.matches("select, [type=radio], .divider") && !"+=-0".includes(event.key);
    if (!(event.key in KEYS) || own || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  };
  slider.oninput = () => move({ index: +slider.value });
  divider.oninput = () => ((shown.divider = +divider.value), show());
  select.onchange = () => ((shown.against = select.value === "target" ? "target" : +select.value), show());
  find("[data-zoom=in]").onclick = () => zoom(shown.scale * ZOOM.step);
  find("[data-zoom=out]").onclick = () => zoom(shown.scale / ZOOM.step);

  // --- the parts that depend on the data

  const make = (parent, tag, properties) => find(parent).appendChild(Object.assign(document.createElement(tag), properties));
  slider.max = data.stops.length - 1;
  data.stops.forEach((stop, i) => {
    make(".stops", "span", { textContent: stop.short, onclick: () => move({ index: i }) });
    make("select", "option", { value: i, textContent: stop.label });
  });
  if (known) make("select", "option", { value: "target", textContent: "the photo" });
  select.value = shown.against;
  const group = `view-${Math.random()}`; // several sliders may be on a page
  for (const [view, label] of Object.entries(VIEWS)) {
    if (view === "difference" && !known) continue;
    const button = make(".views", "label", { textContent: label });
    const radio = { type: "radio", name: group, value: view, checked: view === shown.view };
    button.prepend(Object.assign(document.createElement("input"), radio));
    button.onchange = () => ((shown.view = view), show());
  }
  find(".metrics").hidden = !data.metrics.length;
  find("caption").textContent = data.caption;
  for (const metric of data.metrics) {
    const row = make("tbody", "tr", {});
    row.innerHTML = "<th scope='row'></th><td><svg viewBox='0 0 72 20' aria-hidden='true'></svg></td><td></td>";
    row.firstChild.textContent = metric.name;
  }

  // --- images, decoded once

  const bytes = (encoded) =>
    typeof encoded === "string" ? Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0)) : encoded;
  const blob = (encoded) => new Blob([bytes(encoded)], { type: data.mime });
  const decode = (list) => Promise.all(list.map((encoded) => createImageBitmap(blob(encoded))));
  find(".thumbnails").hidden = count < 2;
  (known ? data.targets : data.sources).forEach((encoded, i) => {
    const url = URL.createObjectURL(blob(encoded));
    urls.push(url);
    const button = make(".thumbnails", "button", { type: "button", onclick: () => move({ image: i }) });
    button.append(Object.assign(new Image(), { src: url, alt: data.names[i] }));
  });
  const resized = new ResizeObserver(draw);
  for (const name of ["index", "image"]) model.on(`change:${name}`, show);
  Promise.all([decode(data.sources), decode(data.targets), ...data.outputs.map(decode)]).then(([sources, targets, ...outputs]) => {
    Object.assign(bitmaps, { sources, targets, outputs });
    root.setAttribute("aria-busy", "false");
    show();
  }).catch((error) => (stage.textContent = `The browser can't show these images: ${error.message}`));
  show();
  return () => {
    resized.disconnect();
    urls.forEach(URL.revokeObjectURL);
    for (const name of ["index", "image"]) model.off(`change:${name}`, show);
  };
}

export default { render };

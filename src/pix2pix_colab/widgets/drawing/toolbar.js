// The controls of the board: tools and classes above the drawing; what to start from and what to save below.

import { element } from "../elements.js";
import { savePng } from "./files.js";
import { toPixels } from "./label_map.js";
import { largestRadius } from "./shapes.js";
import { addCopy, relabel, removeSelected, selectedPart } from "./selection.js";
import { TOOLS } from "./tools.js";

/** @typedef {import("./board.js").Board} Board */

export const TOOLBAR = `
  <div class="tools">
    <fieldset class="pills"><legend>Tool</legend></fieldset>
    <label class="radius">size <input type="range" min="1"></label>
    <span class="buttons">
      <button type="button" data-do="undo" data-icon="↶" aria-label="Undo" title="Ctrl+Z">Undo</button>
      <button type="button" data-do="redo" data-icon="↷" aria-label="Redo" title="Ctrl+Shift+Z">Redo</button>
      <button type="button" data-do="duplicate" data-icon="⊞" aria-label="Duplicate" title="Ctrl+D">Duplicate</button>
      <button type="button" data-do="delete" data-icon="✕" aria-label="Delete" title="Delete">Delete</button>
    </span>
    <span class="hint"></span>
  </div>
  <fieldset class="palette"><legend>What you draw</legend></fieldset>`;

export const FILES = `
  <div class="start" role="group" aria-label="Start from"><span>Start from</span></div>
  <div class="save" role="group" aria-label="Save">
    <button type="button" data-do="save-drawing">Save the drawing</button>
    <button type="button" data-do="save-output">Save the picture</button>
    <button type="button" data-do="share">Copy a link</button>
  </div>`;

/** Make the controls of a board work.
 * @param {Board} board
 * @returns {{show: () => void, choose: (tool: string) => void}} shows the board's state: what can be done, and what is chosen;
 *   chooses a tool
 */
export function addControls(board) {
  const find = (selector) => board.root.querySelector(selector);
  const choose = addTools(board, find);
  addPalette(board, find(".palette"));
  addStarts(board, find(".start"));
  const button = (name) => find(`[data-do=${name}]`);
  button("undo").onclick = () => board.undo();
  button("redo").onclick = () => board.redo();
  button("delete").onclick = () => removeSelected(board);
  button("duplicate").onclick = () => addCopy(board, selectedPart(board));
  button("save-drawing").onclick = () => savePng(labelMap(board), "label-map.png");
  button("save-output").onclick = () => {
    const { shown, coarse, wanted, canvas } = board.view;
    if (shown === wanted) savePng(canvas, "output.png");
    else if (coarse === wanted) board.say("This picture is still coarse: save it once all of the network has come.");
    else board.say("The network has not computed this picture, so it can't be saved.");
  };
  button("share").hidden = !board.options.share;
  button("share").onclick = async () => {
    board.say(await board.options.share(board));
    board.root.querySelector(".say").scrollIntoView({ block: "nearest" }); // on a phone on its side it may be below the screen
  };
  const enable = (name, can) => {
    if (!can && document.activeElement === button(name)) board.root.focus({ preventScroll: true }); // so that keys still reach it
    button(name).disabled = !can;
  };
  const show = () => {
    enable("undo", board.history.canUndo);
    enable("redo", board.history.canRedo);
    const part = selectedPart(board);
    for (const name of ["delete", "duplicate"]) enable(name, Boolean(part));
    if (part) board.label = part.label;
    find(`.palette [value="${board.label}"]`).checked = true;
    find(".radius").hidden = board.tool !== "brush";
    const { hint } = TOOLS[board.tool];
    if (find(".hint").textContent !== hint) find(".hint").textContent = hint; // a move of λ shall cost no layout
  };
  show();
  return { show, choose };
}

function radio(name, value, checked, textContent, onchange) {
  const label = element("label", { textContent, onchange });
  label.prepend(element("input", { type: "radio", name, value, checked }));
  return label;
}

function addTools(board, find) {
  const group = `tool-${Math.random()}`; // several boards may be on a page
  const choose = (tool) => {
    board.tool = tool;
    find(`.pills [value=${tool}]`).checked = true;
    board.select(-1);
    board.canvas.paint();
  };
  for (const [tool, { name }] of Object.entries(TOOLS)) {
    const pill = radio(group, tool, tool === board.tool, name, () => choose(tool));
    pill.title = name[0]; // its key
    find(".pills").append(pill);
  }
  const radius = find(".radius input");
  Object.assign(radius, { max: largestRadius(board.size), value: board.radius });
  radius.oninput = () => (board.radius = +radius.value);
  return choose;
}

function addPalette(board, palette) {
  const group = `class-${Math.random()}`;
  board.data.classes.forEach(({ name, colour }, i) => {
    const label = radio(group, String(i), i === board.label, name, () => {
      board.label = i;
      relabel(board, i);
    });
    label.style.setProperty("--colour", `rgb(${colour.join()})`);
    palette.append(label);
  });
}

function addStarts(board, start) {
  board.data.examples.forEach(({ name, image }, i) => {
    const url = URL.createObjectURL(image);
    const button = element("button", { type: "button", className: "example", title: name });
    button.onclick = () => board.start(i);
    button.append(element("img", { src: url, alt: name, onload: () => URL.revokeObjectURL(url) }));
    start.append(button);
  });
  const file = element("input", { type: "file", accept: "image/*" });
  file.onchange = () => {
    if (file.files.length) board.open(file.files[0]);
    file.value = ""; // the same file may be chosen again
  };
  const own = element("label", { className: "own", textContent: "Your label map…" });
  own.append(file);
  start.append(element("button", { type: "button", textContent: "An empty wall", onclick: () => board.draw(board.data.empty) }), own);
}

function labelMap(board) {
  const { palette, shapes, size } = board;
  const canvas = element("canvas", { width: size, height: size });
  canvas.getContext("2d").putImageData(new ImageData(toPixels(board.labelsOf(shapes), palette), size), 0, 0);
  return canvas;
}

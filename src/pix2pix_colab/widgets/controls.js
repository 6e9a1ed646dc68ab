// The controls beside λ and the keys: what they do, and how they show the state.

import { element } from "./elements.js";
import { controlUses, isCommand } from "./keys.js";
import { lambdaKey } from "./lambda_control.js";
import { ZOOM, change, move, zoom } from "./state.js";

/** @import { Ui } from "./state.js" */

const VIEWS = { side: "Side by side", wipe: "A/B wipe", difference: "Difference", all: "All λ" };

/** @param {Ui} ui */
export function addViews(ui) {
  const name = `view-${Math.random()}`; // of the radio buttons; several sliders may be on a page
  for (const [view, textContent] of Object.entries(VIEWS)) {
    if (view === "difference" && !ui.known) continue;
    const label = element("label", { textContent, onchange: () => change(ui, { view }) });
    label.prepend(element("input", { type: "radio", name, value: view, checked: view === ui.state.view }));
    ui.find(".views").append(label);
  }
}

/**
 * The stops and the target, of which one is B of the wipe.
 *
 * @param {Ui} ui
 */
export function addAgainst(ui) {
  for (const value of ui.lambda.stops) {
    ui.select.append(element("option", { value, textContent: ui.data.positions[value].label }));
  }
  if (ui.known) ui.select.append(element("option", { value: "target", textContent: "the target" }));
  ui.select.value = `${ui.state.against}`;
}

/** @param {Ui} ui */
export function showControls({ divider, find, root, stage, state }) {
  find(".zoom output").textContent = `${Math.round(state.scale * 10) / 10}×`;
  find("[data-zoom=out]").disabled = state.scale === ZOOM.least;
  find("[data-zoom=in]").disabled = state.scale === ZOOM.most;
  root.classList.toggle("zoomed", state.scale > 1);
  find(".against").hidden = state.view !== "wipe";
  if (state.view !== "wipe") divider.remove();
  else if (!divider.isConnected) stage.after(divider);
  divider.value = `${state.divider}`;
}

/** @param {Ui} ui */
export function listenToControls(ui) {
  const { divider, find, select } = ui;
  divider.oninput = () => change(ui, { divider: +divider.value });
  select.onchange = () => change(ui, { against: select.value === "target" ? "target" : +select.value });
  find("[data-zoom=in]").onclick = () => zoom(ui, ui.state.scale * ZOOM.step);
  find("[data-zoom=out]").onclick = () => zoom(ui, ui.state.scale / ZOOM.step);
}

/** @type {Record<string, (ui: Ui) => void>} the keys beside those of λ */
const KEYS = {
  ArrowUp: (ui) => move(ui, { image: ui.image - 1 }),
  ArrowDown: (ui) => move(ui, { image: ui.image + 1 }),
  "+": (ui) => zoom(ui, ui.state.scale * ZOOM.step),
  "=": (ui) => zoom(ui, ui.state.scale * ZOOM.step), // + without Shift on many keyboards
  "-": (ui) => zoom(ui, ui.state.scale / ZOOM.step),
  0: (ui) => zoom(ui, 1),
};

/**
 * Take the keys that the slider or a control of it uses. All others reach the notebook and the browser.
 *
 * @param {Ui} ui
 */
export function listenToKeys(ui) {
  ui.root.onkeydown = (event) => {
    const act = actionOf(ui, event);
    if (!act && !controlUses(event.target, event)) return;
    event.stopPropagation();
    if (!act) return;
    event.preventDefault();
    act(ui);
  };
}

/**
 * @param {Ui} ui
 * @param {KeyboardEvent} event
 * @returns {((ui: Ui) => void) | undefined} what a key does in the whole slider
 */
function actionOf(ui, event) {
  const { key, shiftKey, target } = event;
  const zooms = "+=-0".includes(key);
  if (isCommand(event) || (shiftKey && !zooms)) return undefined;
  if (!zooms && target instanceof Element && target.matches("select, [type=radio], .divider")) return undefined;
  const index = lambdaKey(key, ui.index, ui.lambda.stops, ui.data.positions.length - 1);
  return index === undefined ? KEYS[key] : () => move(ui, { index });
}

// The controls beside λ and the keys: what they do, and how they show the state.

import { describe, describePatch } from "./critic.js";
import { element } from "./elements.js";
import { controlUses, isCommand } from "./keys.js";
import { lambdaKey } from "./lambda_control.js";
import { ZOOM } from "./numbers.js";

/** @import { Slider } from "./slider.js" */

const VIEWS = { side: "Side by side", wipe: "A/B wipe", difference: "Difference", critic: "Critic", all: "All" };

/** @param {Slider} slider */
export function addViews(slider) {
  const name = `view-${Math.random()}`; // of the radio buttons; several sliders may be on a page
  for (const [view, words] of Object.entries(VIEWS)) {
    if ((view === "difference" && !slider.known) || (view === "critic" && !slider.verdicts.outputs.length)) continue;
    const textContent = view === "all" ? `${words} ${slider.data.axis === "λ" ? "λ" : `${slider.data.axis}s`}` : words;
    const label = element("label", { textContent, onchange: () => slider.change({ view }) });
    label.prepend(element("input", { type: "radio", name, value: view, checked: view === slider.state.view }));
    slider.find(".views").append(label);
  }
}

/**
 * The stops and the target, of which one is B of the wipe.
 *
 * @param {Slider} slider
 */
export function addAgainst(slider) {
  for (const value of slider.lambda.stops) {
    slider.select.append(element("option", { value, textContent: slider.data.positions[value].label }));
  }
  if (slider.known) slider.select.append(element("option", { value: "target", textContent: "the target" }));
  slider.select.value = `${slider.state.against}`;
}

/** @param {Slider} slider */
export function showControls({ divider, find, image, index, root, stage, state, verdicts }) {
  find(".zoom output").textContent = `${Math.round(state.scale * 10) / 10}×`;
  find("[data-zoom=out]").disabled = state.scale === ZOOM.least;
  find("[data-zoom=in]").disabled = state.scale === ZOOM.most;
  root.classList.toggle("zoomed", state.scale > 1);
  find(".against").hidden = state.view !== "wipe";
  find(".critic").hidden = state.view !== "critic";
  if (state.view === "critic") {
    const seen = verdicts.outputs[index][image];
    find(".verdict").textContent = state.patch < 0 ? describe(seen) : describePatch(seen, state.patch, verdicts.targets[image]);
  }
  if (state.view !== "wipe") divider.remove();
  else if (!divider.isConnected) stage.after(divider);
  divider.value = `${state.divider}`;
}

/** @param {Slider} slider */
export function listenToControls(slider) {
  const { divider, find, select } = slider;
  divider.oninput = () => slider.change({ divider: +divider.value });
  select.onchange = () => slider.change({ against: select.value === "target" ? "target" : +select.value });
  find("[data-zoom=in]").onclick = () => slider.zoom(slider.state.scale * ZOOM.step);
  find("[data-zoom=out]").onclick = () => slider.zoom(slider.state.scale / ZOOM.step);
}

/** @type {Record<string, (slider: Slider) => void>} the keys beside those of λ */
const KEYS = {
  ArrowUp: (slider) => slider.move({ image: slider.image - 1 }),
  ArrowDown: (slider) => slider.move({ image: slider.image + 1 }),
  "+": (slider) => slider.zoom(slider.state.scale * ZOOM.step),
  "=": (slider) => slider.zoom(slider.state.scale * ZOOM.step), // + without Shift on many keyboards
  "-": (slider) => slider.zoom(slider.state.scale / ZOOM.step),
  0: (slider) => slider.zoom(1),
};

/**
 * Take the keys that the slider or a control of it uses. All others reach the notebook and the browser.
 *
 * @param {Slider} slider
 */
export function listenToKeys(slider) {
  slider.root.onkeydown = (event) => {
    const act = actionOf(slider, event);
    if (!act && !controlUses(event.target, event)) return;
    event.stopPropagation();
    if (!act) return;
    event.preventDefault();
    act(slider);
  };
}

/**
 * @param {Slider} slider
 * @param {KeyboardEvent} event
 * @returns {((slider: Slider) => void) | undefined} what a key does in the whole slider
 */
function actionOf(slider, event) {
  const { key, shiftKey, target } = event;
  const zooms = "+=-0".includes(key);
  if (isCommand(event) || (shiftKey && !zooms)) return undefined;
  if (!zooms && target instanceof Element && target.matches("select, [type=radio], .divider")) return undefined;
  const index = lambdaKey(key, slider.index, slider.lambda.stops, slider.data.positions.length - 1);
  return index === undefined ? KEYS[key] : () => slider.move({ index });
}

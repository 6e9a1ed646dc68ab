// The λ control: a range with named stops, and a heading that says in words what the λ means.

import { element } from "./elements.js";

/**
 * @typedef {object} Position one λ; `describe_positions` in widget.py makes them, in ascending order
 * @property {string} label "λ = 100"
 * @property {string} short "100"
 * @property {string} meaning in words
 * @property {boolean} stop whether it was trained; what is between two stops is interpolated. The first and the last are
 *   stops
 *
 * @typedef {object} LambdaControl
 * @property {HTMLElement} heading says the λ and its meaning
 * @property {HTMLElement} control holds the range and the stops
 * @property {HTMLInputElement} range
 * @property {number[]} stops their indices among the positions
 * @property {(index: number) => void} show puts range, stops and heading at a position; to be called after each move
 */

/**
 * The λ control of some positions: the heading, the range and its named stops.
 *
 * @param {Position[]} positions
 * @param {(index: number) => void} onmove called with the index that the user asks for by the range or a stop
 * @param {string} [axis] what they are of
 * @returns {LambdaControl}
 */
export function lambdaControl(positions, onmove, axis = "λ") {
  const stops = positions.flatMap(({ stop }, i) => (stop ? [i] : []));
  const path = stops.length < positions.length; // of λ: there is something between its stops
  const className = path ? " path" : "";
  const heading = element("div", { className: `heading${className}`, ariaLive: "polite" });
  heading.append(element("b"), " ", element("span"));
  const control = element("div", { className: `lambda${className}` });
  const range = lambdaRange(positions.length - 1, onmove, axis);
  if (path) range.title = "Page Up and Page Down go from stop to stop";
  const names = namedStops(positions, stops, onmove);
  control.style.setProperty("--stops", `${stops.length}`);
  control.append(range, names);
  const show = (/** @type {number} */ index) => {
    const { label, meaning, stop } = positions[index];
    range.value = `${index}`;
    range.setAttribute("aria-valuetext", stop ? label : `${label}, ${meaning}`);
    [heading.firstChild.textContent, heading.lastChild.textContent] = [label, meaning];
    [...names.children].forEach((each, i) => each.classList.toggle("current", stops[i] === index));
  };
  return { heading, control, range, stops, show };
}

/**
 * @param {number} last
 * @param {(index: number) => void} onmove
 * @param {string} axis
 */
function lambdaRange(last, onmove, axis) {
  const range = element("input", { type: "range", min: "0", max: `${last}`, step: "1", ariaLabel: axis });
  range.oninput = () => onmove(+range.value);
  return range;
}

/**
 * @param {Position[]} positions
 * @param {number[]} stops
 * @param {(index: number) => void} onmove
 */
function namedStops(positions, stops, onmove) {
  const names = element("div", { className: "stops", ariaHidden: "true" });
  const last = Math.max(1, positions.length - 1);
  stops.forEach((index, column) => {
    const name = element("span", { textContent: positions[index].short, onclick: () => onmove(index) });
    name.style.setProperty("--shift", `${(index * (stops.length - 1)) / last - column}`); // in columns
    names.append(name);
  });
  return names;
}

/**
 * The index that a key leads to, or undefined for a key that doesn't move λ.
 *
 * @param {string} key of a keyboard event
 * @param {number} index from which it moves
 * @param {number[]} stops to which Page Up and Page Down go
 * @param {number} last index
 * @returns {number | undefined}
 */
export function lambdaKey(key, index, stops, last) {
  switch (key) {
    case "ArrowLeft": return Math.max(0, index - 1);
    case "ArrowRight": return Math.min(last, index + 1);
    case "PageDown": return stops.findLast((stop) => stop < index) ?? 0;
    case "PageUp": return stops.find((stop) => stop > index) ?? last;
    case "Home": return 0;
    case "End": return last;
    default: return undefined;
  }
}

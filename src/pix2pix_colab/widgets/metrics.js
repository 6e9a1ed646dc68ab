// The metrics: each a value at the λ shown, and a line through all its values.

import { element } from "./elements.js";

/** @import { Slider } from "./slider.js" */

/** @param {Slider} slider */
export function addMetrics({ data, find }) {
  find(".metrics").hidden = !data.metrics.length;
  find("caption").textContent = data.caption;
  for (const metric of data.metrics) {
    const row = find("tbody").appendChild(element("tr"));
    row.innerHTML = "<th scope='row'></th><td><svg viewBox='0 0 72 20' aria-hidden='true'></svg></td><td></td>";
    row.firstChild.textContent = metric.name;
  }
}

/** @param {Slider} slider */
export function showMetrics(slider) {
  slider.find("tbody").childNodes.forEach((row, i) => showMetric(slider, row, slider.data.metrics[i].values));
}

/**
 * A metric's value at the λ shown, and a line through all its values with a dot at this one, and small ones at stops.
 *
 * @param {Slider} slider
 * @param {HTMLElement} row
 * @param {(number | null)[]} values
 */
function showMetric({ index, lambda, path }, row, values) {
  const [value, height] = [values[index], 20];
  row.lastChild.textContent = value === null ? "–" : value.toFixed(Math.abs(value) < 10 ? 3 : 1);
  const measured = values.filter((each) => each !== null);
  const [low, high] = [Math.min(...measured), Math.max(...measured)];
  const x = (i) => 4 + (i * 64) / Math.max(1, values.length - 1);
  const y = (each) => height - 4 - (high > low ? (each - low) / (high - low) : 0.5) * (height - 8);
  const points = values.flatMap((each, i) => (each === null ? [] : [`${x(i)},${y(each)}`]));
  const dot = (i, more) => (values[i] === null ? "" : `<circle cx="${x(i)}" cy="${y(values[i])}" ${more}/>`);
  const dots = [...(path ? lambda.stops.map((i) => dot(i, 'class="stop" r="1.8"')) : []), dot(index, 'r="3.5"')];
  row.querySelector("svg").innerHTML = `<polyline points="${points.join(" ")}"/>${dots.join("")}`;
}

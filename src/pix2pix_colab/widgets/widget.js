// The λ slider as a widget: in a notebook anywidget calls render, on the page page.html does.

import { Slider } from "./slider.js";

/** @import { Model } from "./slider.js" */

/**
 * @param {{model: Model, el: HTMLElement}} parts
 * @returns {() => void} takes the slider down
 */
function render({ model, el }) {
  const slider = new Slider(model, el);
  return () => slider.close();
}

export default { render };

// The HTML that a saved notebook shows in place of a widget's view: saved_form.py.

import { element } from "./elements.js";

/** Hide it, as long as there is a view.
 * @param {{get: (name: string) => any}} model of the widget; a page has no such HTML
 * @returns {() => void} shows it again
 */
export function hideSaved(model) {
  const form = model.get("form");
  if (!form) return () => {};
  const textContent = `[data-form="${CSS.escape(form)}"] { display: none; }`;
  const style = document.head.appendChild(element("style", { textContent }));
  return () => style.remove();
}

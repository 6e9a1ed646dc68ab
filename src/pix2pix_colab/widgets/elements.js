// HTML elements.

/**
 * A new element with these properties.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {object} [properties]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

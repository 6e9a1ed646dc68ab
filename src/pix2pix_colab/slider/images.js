// Encoded images, for <img> and for canvases.

/** @typedef {string | DataView<ArrayBuffer>} Encoded an image file: base64 in a page, bytes in a notebook */

/**
 * @param {Encoded} encoded
 * @param {string} type such as image/webp
 * @returns {Blob}
 */
export function blob(encoded, type) {
  const bytes = typeof encoded === "string" ? Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0)) : encoded;
  return new Blob([bytes], { type });
}

/**
 * Decode images; refused if one of them is none.
 *
 * @param {Encoded[]} list
 * @param {string} type of all of them
 * @returns {Promise<ImageBitmap[]>}
 */
export function decode(list, type) {
  return Promise.all(list.map((encoded) => createImageBitmap(blob(encoded, type))));
}

// Encoded images, for <img> and for canvases.

/** @typedef {string | DataView<ArrayBuffer>} Encoded an image file: base64 in a page, bytes in a notebook */

/**
 * @param {Encoded} encoded
 * @param {string} type such as image/webp
 * @returns {Blob}
 */
export function blob(encoded, type) {
  return new Blob([bytesOf(encoded)], { type });
}

/**
 * @param {Encoded} encoded
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesOf(encoded) {
  if (typeof encoded === "string") return Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  return new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}

/**
 * Decode lists of images.
 *
 * @param {Encoded[][]} lists
 * @param {string} type of all of them
 * @returns {{ready: Promise<ImageBitmap[][]>, close: () => void}} rejects if one is no image; gives their memory back, also
 *   of those that are decoded later
 */
export function decode(lists, type) {
  const decoding = lists.map((list) => list.map((encoded) => createImageBitmap(blob(encoded, type))));
  const close = () => decoding.flat().forEach((each) => each.then((bitmap) => bitmap.close(), () => {}));
  return { ready: Promise.all(decoding.map((list) => Promise.all(list))), close };
}

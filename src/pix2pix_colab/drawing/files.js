// Images from and to the user's files.

import { fromPixels, smooth } from "./label_map.js";
import { partsOf } from "./parts.js";

/**
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {import("./label_map.js").Colour} Colour
 */

const LABEL_MAP = 0.7; // the least share of pixels near a class's colour in a label map

/** Read a label map of any size as shapes: rectangles if they are not too many, else its pixels.
 * @param {Blob} file @param {number} size of the board @param {Colour[]} palette
 * @returns {Promise<{shapes: Shape[], words: string}>} and what the user should know
 * @throws {Error} with a sentence, if it is no image
 */
export async function readLabelMap(file, size, palette) {
  const options = /** @type {const} */ ({ resizeWidth: size, resizeHeight: size, resizeQuality: "pixelated" });
  const bitmap = await createImageBitmap(file, options).catch(() => {
    throw new Error("The browser can't read this file as an image: choose a PNG or a JPEG.");
  });
  const context = new OffscreenCanvas(size, size).getContext("2d");
  context.fillStyle = "#fff"; // what is transparent lies on white
  context.fillRect(0, 0, size, size);
  context.drawImage(bitmap, 0, 0);
  const { labels, near } = fromPixels(context.getImageData(0, 0, size, size).data, palette);
  const map = near < 1 ? smooth(labels, size) : labels;
  const parts = partsOf(map, size);
  const words = [];
  const share = Math.round(100 * near);
  if (near < LABEL_MAP) words.push(`This is no label map: only ${share} % of its pixels have the colour of a class.`);
  if (near < LABEL_MAP) words.push("Each pixel got the nearest class.");
  if (!parts) words.push("It has too many parts to be moved, or kept in a link: save the drawing before you leave.");
  return { shapes: parts ?? [{ kind: "pixels", labels: map }], words: words.join(" ") };
}

/** Let the browser save a canvas as PNG.
 * @param {HTMLCanvasElement} canvas @param {string} name of the file
 */
export async function savePng(canvas, name) {
  const blob = await new Promise((done) => canvas.toBlob(done));
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// Images from and to the user's files.

import { fromPixels, LABEL_MAP } from "./label_map.js";
import { partsOf } from "./parts.js";

/**
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {import("./label_map.js").Colour} Colour
 */

/** Read a label map of any size as shapes: rectangles if they are not too many, else its pixels.
 * @param {Blob} file @param {number} size of the board @param {Colour[]} palette @param {number} fill the class of what is transparent
 * @returns {Promise<{shapes: Shape[], words: string}>} and what the user should know
 * @throws {Error} with a sentence, if it is no image
 */
export async function readLabelMap(file, size, palette, fill) {
  const options = /** @type {const} */ ({ resizeWidth: size, resizeHeight: size, resizeQuality: "pixelated" });
  const bitmap = await createImageBitmap(file, options).catch(() => {
    throw new Error("The browser can't read this file as an image: choose a PNG or a JPEG.");
  });
  const context = new OffscreenCanvas(size, size).getContext("2d");
  context.fillStyle = `rgb(${palette[fill].join()})`; // below what is transparent
  context.fillRect(0, 0, size, size);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { labels, near } = fromPixels(context.getImageData(0, 0, size, size).data, size, palette);
  const parts = partsOf(labels, size);
  const words = [];
  const percent = Math.round(100 * (1 - near));
  const far = `${percent || "Less than 1"} % of its pixels have the colour of no class`;
  if (near < LABEL_MAP) words.push(`This is no label map: ${far}. Each got the nearest.`);
  else if (near < 1) words.push(`${far}: they got the class around them, so edges may be uneven.`);
  if (!parts) words.push("It has too many parts to be moved, or kept in a link: save the drawing before you leave.");
  return { shapes: parts ?? [{ kind: "pixels", labels }], words: words.join(" ") };
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

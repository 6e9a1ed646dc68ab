// The upload of an image: chosen, dropped or pasted. The browser shrinks it: Colab loses the kernel over a megabyte.

import { element } from "./elements.js";
import { controlUses } from "./keys.js";
import { isLabelMap } from "./label_colours.js";
import { hideSaved } from "./saved_form.js";

const LONGEST = 1024; // px
const MOST = 400_000; // bytes
const QUALITIES = [0.92, 0.85, 0.75, 0.6, 0.4];
const LOOKED_AT = 256; // px

/** @param {{model: any, el: HTMLElement}} parts @returns {() => void} takes it down */
function render({ model, el }) {
  const root = el.appendChild(element("div", { className: "image-upload", tabIndex: 0 }));
  const file = element("input", { type: "file", accept: "image/*" });
  const button = element("label", { className: "own", textContent: "Your image…" });
  const status = element("span", { role: "status" });
  button.append(file);
  root.append(button, element("span", { textContent: "or drop it here, or click here and paste it" }), status);
  const say = (/** @type {string} */ words) => (status.textContent = words);
  let number = 0; // of the last file
  const take = async (/** @type {File | undefined} */ chosen) => {
    if (!chosen) return say("That is no file: choose, drop or paste an image.");
    const own = (number += 1);
    say("Shrinking it…");
    const words = await send(model, chosen, () => own === number);
    if (own === number) say(words);
  };
  file.onchange = () => {
    if (file.files.length) take(file.files[0]);
    file.value = ""; // the same file may be chosen again
  };
  listen(root, take);
  const told = () => say(model.get("message"));
  model.on("change:message", told);
  told();
  const showSaved = hideSaved(model);
  return () => {
    number += 1;
    model.off("change:message", told);
    root.remove();
    showSaved();
  };
}

/** Take what is dropped or pasted, and leave the notebook all keys but those of the button.
 * @param {HTMLElement} root @param {(file: File | undefined) => void} take
 */
function listen(root, take) {
  root.ondragover = (event) => event.preventDefault();
  root.ondrop = (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  };
  root.onpaste = (event) => {
    event.stopPropagation();
    take(event.clipboardData.files[0]);
  };
  root.onkeydown = (event) => {
    if (controlUses(event.target, event)) event.stopPropagation();
  };
}

/** Send a file to the kernel, shrunk.
 * @param {any} model @param {File} file @param {() => boolean} wanted whether no other was chosen meanwhile
 * @returns {Promise<string>} words for the user
 */
async function send(model, file, wanted) {
  try {
    const image = await shrink(file);
    const bytes = await image.arrayBuffer();
    if (wanted()) model.send({ name: file.name }, undefined, [bytes]);
    const how = image === file ? "Sent" : `Shrunk to ${LONGEST} px and 8 bits, and sent`;
    return `${how}, ${Math.ceil(image.size / 1000)} kB. It waits for the kernel…`;
  } catch (error) {
    return error.message;
  }
}

/** An image of at most ``LONGEST`` px and ``MOST`` bytes: upright, and white where it is transparent. What is small enough
 * stays as it is.
 * @param {File} file @returns {Promise<Blob>}
 * @throws {Error} with a sentence
 */
async function shrink(file) {
  const bitmap = await createImageBitmap(file).catch(() => null); // turned as its EXIF data say
  if (!bitmap) {
    if (file.size <= MOST) return file; // Pillow may open it
    const why = "it is damaged, too large, or of a kind that it does not know";
    throw new Error(`This browser can't open ${file.name}: ${why}. Save it as a smaller JPEG or PNG, and choose that.`);
  }
  try {
    if (Math.max(bitmap.width, bitmap.height) <= LONGEST && file.size <= MOST) return file;
    if (looksLikeLabelMap(bitmap)) {
      const png = await draw(bitmap, LONGEST, false).convertToBlob({ type: "image/png" });
      if (png.size <= MOST) return png;
    }
    return await toJpeg(bitmap, LONGEST);
  } finally {
    bitmap.close();
  }
}

/** A JPEG of the highest quality that is small enough; if none is, of half the size.
 * @param {ImageBitmap} bitmap @param {number} longest @param {number[]} qualities @returns {Promise<Blob>}
 */
async function toJpeg(bitmap, longest, [quality, ...lower] = QUALITIES) {
  const blob = await draw(bitmap, longest, true).convertToBlob({ type: "image/jpeg", quality });
  if (blob.size <= MOST) return blob;
  return lower.length ? toJpeg(bitmap, longest, lower) : toJpeg(bitmap, longest / 2);
}

/** @param {ImageBitmap} bitmap @param {number} longest side of the canvas, in px @param {boolean} smooth */
function draw(bitmap, longest, smooth) {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  Object.assign(context, { imageSmoothingEnabled: smooth, imageSmoothingQuality: "high" });
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

/** Whether an image has few colours, which must not be mixed. @param {ImageBitmap} bitmap */
function looksLikeLabelMap(bitmap) {
  const canvas = draw(bitmap, LOOKED_AT, false);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return isLabelMap(new Uint32Array(data.buffer), canvas.width);
}

export default { render };

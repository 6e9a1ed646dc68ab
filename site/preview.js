// A small preview of a picture as text, so that a link shows it at once: brightness in 32×32 places, colour in 8×8, 4 bits each.

const [SIDE, CELL] = [32, 4]; // places, and how many of them share a colour, both ways
const COLOURS = (SIDE / CELL) ** 2;

/** @param {CanvasImageSource} picture @returns {string} letters, digits, - and _ */
export function writePreview(picture) {
  const { data } = scaled(picture, SIDE, SIDE).getImageData(0, 0, SIDE, SIDE);
  const brightness = Array.from({ length: SIDE * SIDE }, (_, i) => yuv(data, i)[0]);
  const small = scaled(picture, SIDE / CELL, SIDE / CELL).getImageData(0, 0, SIDE / CELL, SIDE / CELL).data;
  const colours = Array.from({ length: COLOURS }, (_, i) => yuv(small, i).slice(1));
  const levels = [...brightness, ...colours.flat()].map((value) => Math.min(15, Math.max(0, Math.round(value / 17))));
  const bytes = levels.flatMap((level, i) => (i % 2 ? [String.fromCharCode(16 * levels[i - 1] + level)] : []));
  return btoa(bytes.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text @param {number} size in px @returns {Promise<ImageBitmap | null>} null if it is no preview */
export async function readPreview(text, size) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
  if (bytes.length !== (SIDE * SIDE) / 2 + COLOURS) return null;
  const level = (i) => 17 * (i % 2 ? bytes[i >> 1] & 15 : bytes[i >> 1] >> 4);
  const image = new ImageData(SIDE, SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const cell = (SIDE / CELL) * Math.floor(i / SIDE / CELL) + Math.floor((i % SIDE) / CELL);
    const [u, v] = [0, 1].map((k) => level(SIDE * SIDE + 2 * cell + k) - 128);
    image.data.set([level(i) + 1.4 * v, level(i) - 0.34 * u - 0.71 * v, level(i) + 1.77 * u, 255], 4 * i);
  }
  return createImageBitmap(image, { resizeWidth: size, resizeHeight: size, resizeQuality: "high" });
}

/** Brightness and two differences of colour, 0 to 255. */
function yuv(data, i) {
  const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
  const bright = 0.3 * red + 0.59 * green + 0.11 * blue;
  return [bright, 128 + 0.56 * (blue - bright), 128 + 0.71 * (red - bright)];
}

function scaled(picture, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  Object.assign(context, { imageSmoothingEnabled: true, imageSmoothingQuality: "high" });
  context.drawImage(picture, 0, 0, width, height);
  return context;
}

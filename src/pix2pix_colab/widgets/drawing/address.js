// A drawing as text for the address of a page, and back. Nothing here needs a browser.

import { largestRadius } from "./shapes.js";

/** @typedef {import("./shapes.js").Rectangle | import("./shapes.js").Stroke} Drawn what an address can hold */

const VERSION = 1;
const KINDS = ["rectangle", "stroke"];
const LABELS = 64; // at most
const MOST = 25_000; // rectangles and points of strokes: more than a hand draws, and painted in a second

/** Whether an address can hold shapes.
 * @param {import("./shapes.js").Shape[]} shapes
 * @returns {shapes is Drawn[]}
 */
export function fitsAddress(shapes) {
  const points = shapes.reduce((sum, shape) => sum + (shape.kind === "stroke" ? shape.points.length / 2 : 1), 0);
  return points <= MOST && shapes.every(({ kind }) => kind !== "pixels");
}

/** Write shapes as text of letters, digits, - and _: every number as a varint (LEB128), then base64url.
 * @param {Drawn[]} shapes @param {number} size of the label map, in px
 */
export function encodeDrawing(shapes, size) {
  const numbers = [VERSION, size];
  for (const shape of shapes) {
    numbers.push(KINDS.indexOf(shape.kind) * LABELS + shape.label);
    if (shape.kind === "rectangle") numbers.push(signed(shape.x), signed(shape.y), shape.width, shape.height);
    else numbers.push(shape.radius, shape.points.length / 2, ...differences(shape.points).map(signed));
  }
  const bytes = numbers.flatMap(varint).map((byte) => String.fromCharCode(byte));
  return btoa(bytes.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Read such text. Whatever it holds, the shapes are sound.
 * @param {string} text @param {number} size of the label map @param {number} labels how many classes there are
 * @returns {Drawn[]}
 * @throws {Error} with a sentence, if it is no such text, or a drawing of another size
 */
export function decodeDrawing(text, size, labels) {
  const numbers = numbersOf(text);
  let at = 0;
  const take = (least, most) => {
    const number = numbers[at++];
    if (!(number >= least && number <= most)) throw new Error("The address holds a damaged drawing.");
    return number;
  };
  const takeSigned = () => unsigned(take(0, 8 * size));
  if (numbers[at++] !== VERSION) throw new Error("The address holds no drawing of this page.");
  const made = take(1, 4096);
  if (made !== size) throw new Error(`The address holds a drawing of ${made} px, but this board has ${size}.`);
  /** @type {Drawn[]} */
  const shapes = [];
  while (at < numbers.length) {
    const code = take(0, KINDS.length * LABELS - 1);
    const label = code % LABELS;
    if (label >= labels) throw new Error("The address holds a damaged drawing.");
    if (KINDS[(code / LABELS) | 0] === "rectangle") {
      const [x, y] = [takeSigned(), takeSigned()];
      shapes.push({ kind: /** @type {const} */ ("rectangle"), label, x, y, width: take(1, size), height: take(1, size) });
    } else {
      const radius = take(1, largestRadius(size));
      const points = sums(Array.from({ length: 2 * take(1, MOST) }, takeSigned));
      shapes.push({ kind: /** @type {const} */ ("stroke"), label, radius, points });
    }
  }
  if (!fitsAddress(shapes)) throw new Error("The address holds a drawing of too many parts.");
  return shapes;
}

function numbersOf(text) {
  if (!/^[\w-]+$/.test(text)) throw new Error("The address holds no drawing of this page.");
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  } catch {
    throw new Error("The address holds a damaged drawing.");
  }
  const numbers = [];
  let number = 0;
  let scale = 1;
  for (const byte of bytes) {
    number += (byte & 127) * scale;
    scale *= 128;
    if (byte > 127) continue;
    numbers.push(number);
    [number, scale] = [0, 1];
  }
  if (scale > 1) throw new Error("The address holds a damaged drawing."); // the last number is cut off
  return numbers;
}

function varint(number) {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) + 128);
  return [...bytes, number];
}

const signed = (number) => (number < 0 ? -2 * number - 1 : 2 * number);
const unsigned = (number) => (number % 2 ? -(number + 1) / 2 : number / 2);
const differences = (points) => points.map((each, i) => each - (points[i - 2] ?? 0));

function sums(steps) {
  const points = [];
  for (const step of steps) points.push(step + (points.at(-2) ?? 0));
  return points;
}

// What is painted over the drawing: the selected part, and lines between classes, which tell them apart without colour.

const HANDLE = 7; // CSS px

/** A frame that is seen on every colour. */
export function outline(context, { x, y, width, height }, scale) {
  for (const [colour, thickness] of /** @type {const} */ ([["#fff", 4], ["#000", 2]])) {
    context.strokeStyle = colour;
    context.lineWidth = thickness * devicePixelRatio;
    context.strokeRect(x * scale, y * scale, width * scale, height * scale);
  }
}

/** Squares at the corners of a part and in the middle of its edges. */
export function paintHandles(context, { x, y, width, height }, scale) {
  const side = HANDLE * devicePixelRatio;
  Object.assign(context, { fillStyle: "#fff", strokeStyle: "#000", lineWidth: devicePixelRatio });
  for (const across of [0, 0.5, 1]) {
    for (const down of [0, 0.5, 1]) {
      if (across === 0.5 && down === 0.5) continue;
      const [left, top] = [(x + across * width) * scale - side / 2, (y + down * height) * scale - side / 2];
      context.fillRect(left, top, side, side);
      context.strokeRect(left, top, side, side);
    }
  }
}

/** A light line beside a dark one, wherever two classes meet.
 * @param {CanvasRenderingContext2D} context @param {Uint8Array} labels @param {number} size of the label map
 * @param {number} scale px of the canvas for one of the map
 */
export function paintBorders(context, labels, size, scale) {
  const thin = Math.min(devicePixelRatio, scale / 2);
  for (const [colour, shift] of /** @type {const} */ ([["#0009", -thin], ["#fff9", 0]])) {
    context.fillStyle = colour;
    for (let i = 0; i < labels.length; i++) {
      const [x, y] = [(i % size) * scale, Math.floor(i / size) * scale];
      if (i % size && labels[i] !== labels[i - 1]) context.fillRect(x + shift, y, thin, scale);
      if (i >= size && labels[i] !== labels[i - size]) context.fillRect(x, y + shift, scale, thin);
    }
  }
}

// What a label map is.

const LABELS = { few: 64, most: 256, inAreas: 0.8 }; // FEW, MOST and IN_AREAS in utils/images.py

/** Whether pixels are those of an exact label map: the rule of ``label_colours`` in utils/images.py.
 * @param {Uint32Array} pixels row by row @param {number} width
 */
export function isLabelMap(pixels, width) {
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  if (counts.size <= LABELS.few || counts.size > LABELS.most) return counts.size <= LABELS.few;
  const [background] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
  const inArea = new Uint8Array(pixels.length); // in a square of 3 px of one colour
  const square = [-1, 0, 1].flatMap((row) => [row * width - 1, row * width, row * width + 1]);
  for (let i = width + 1; i < pixels.length - width - 1; i++) {
    if (i % width === 0 || i % width === width - 1) continue;
    if (square.every((step) => pixels[i + step] === pixels[i])) square.forEach((step) => (inArea[i + step] = 1));
  }
  const off = pixels.reduce((sum, pixel) => sum + (pixel !== background ? 1 : 0), 0);
  const inside = pixels.reduce((sum, pixel, i) => sum + (pixel !== background ? inArea[i] : 0), 0);
  return inside >= LABELS.inAreas * off;
}

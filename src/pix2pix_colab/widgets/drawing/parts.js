// A label map as rectangles that can be moved: the windows, doors and walls of an image. Nothing here needs a browser.

/** @typedef {import("./shapes.js").Rectangle} Rectangle */

const DONE = 255; // a pixel whose part is found: what lies below it may be anything

/** Rectangles that, painted one over the other, give exactly a label map.
 *
 * From the topmost down: a connected region that fills its bounds, but for pixels of parts found before, is a
 * rectangle, and lies below those. If no region does, the smallest is cut into rectangles.
 *
 * @param {Uint8Array} map size × size labels @param {number} size @param {number} most rectangles
 * @returns {Rectangle[] | null} null if it takes more
 */
export function partsOf(map, size, most = 1500) {
  const labels = map.slice();
  let regions = regionsOf(map, size);
  if (regions.length > most) return null;
  const parts = [];
  while (regions.length) {
    const whole = regions.filter((region) => fillsItsBounds(region, labels, size));
    const cut = regions.reduce((a, b) => (b.pixels.length < a.pixels.length ? b : a));
    const found = whole.length ? whole.map(rectangleOf) : cutUp(cut, size);
    for (const region of whole.length ? whole : [cut]) for (const i of region.pixels) labels[i] = DONE;
    parts.push(...found);
    if (parts.length > most) return null;
    regions = regions.filter((region) => labels[region.pixels[0]] !== DONE);
  }
  return parts.toReversed();
}

/** The connected regions of equal labels, each with its bounds. */
function regionsOf(map, size) {
  const seen = new Uint8Array(map.length);
  const regions = [];
  for (let start = 0; start < map.length; start++) {
    if (seen[start]) continue;
    seen[start] = 1;
    const pixels = [start];
    for (const i of pixels) {
      const x = i % size;
      for (const next of [x > 0 ? i - 1 : -1, x < size - 1 ? i + 1 : -1, i - size, i + size]) {
        if (map[next] !== map[start] || seen[next]) continue; // outside the map there is no label
        seen[next] = 1;
        pixels.push(next);
      }
    }
    regions.push(measured(map[start], pixels, size));
  }
  return regions;
}

function measured(label, pixels, size) {
  const region = { label, pixels, left: size, right: 0, top: size, bottom: 0 };
  for (const i of pixels) {
    const [x, y] = [i % size, (i / size) | 0];
    region.left = Math.min(region.left, x);
    region.right = Math.max(region.right, x);
    region.top = Math.min(region.top, y);
    region.bottom = Math.max(region.bottom, y);
  }
  return region;
}

function fillsItsBounds({ label, left, right, top, bottom }, labels, size) {
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) if (![label, DONE].includes(labels[y * size + x])) return false;
  }
  return true;
}

const rectangle = (label, x, y, width, height) => ({ kind: /** @type {const} */ ("rectangle"), label, x, y, width, height });

function rectangleOf({ label, left, right, top, bottom }) {
  return rectangle(label, left, top, right - left + 1, bottom - top + 1);
}

/** Cut a region into runs of pixels in a row, and join equal runs of consecutive rows. */
function cutUp({ label, pixels }, size) {
  const rectangles = [];
  const sorted = pixels.toSorted((a, b) => a - b);
  for (let i = 0, start = 0; i < sorted.length; i++) {
    if (sorted[i + 1] === sorted[i] + 1 && sorted[i + 1] % size) continue;
    const [x, y, width] = [sorted[start] % size, (sorted[start] / size) | 0, i - start + 1];
    const above = rectangles.find((each) => each.x === x && each.width === width && each.y + each.height === y);
    if (above) above.height += 1;
    else rectangles.push(rectangle(label, x, y, width, 1));
    start = i + 1;
  }
  return rectangles;
}

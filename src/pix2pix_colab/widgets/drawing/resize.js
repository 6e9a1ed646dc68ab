// The edges of a part, by which it is resized. Nothing here needs a browser.

/**
 * @typedef {import("./shapes.js").Rectangle} Rectangle
 * @typedef {[number, number]} Ends which ends of a length are held, 1 or 0 each
 * @typedef {{across: Ends, down: Ends}} Edges that are held
 */

/** The edges of a shape near a point, or null.
 * @param {import("./shapes.js").Shape | undefined} shape @param {import("./shapes.js").Point} point
 * @param {number} reach in px; within a small part it is less, so that there is a middle to move it by
 * @returns {Edges | null}
 */
export function edgesAt(shape, [x, y], reach) {
  if (shape?.kind !== "rectangle") return null;
  const [across, down] = [endsAt(shape.x, shape.width, x, reach), endsAt(shape.y, shape.height, y, reach)];
  return across && down && [...across, ...down].some(Boolean) ? { across, down } : null;
}

/** @returns {Ends | null} null if it is beyond both */
function endsAt(start, length, at, reach) {
  const [before, after] = [at - start, start + length - 1 - at]; // negative outside
  if (Math.min(before, after) < -reach) return null;
  const inner = Math.min(reach, length / 4);
  if (before <= inner) return [1, 0];
  return after <= inner ? [0, 1] : [0, 0];
}

/** A rectangle some of whose edges are moved, within the map and no larger than it.
 * @param {Rectangle} shape @param {Edges} edges @param {number} right px @param {number} below px @param {number} size of the map
 */
export function resized(shape, { across, down }, right, below, size) {
  const [x, width] = stretched(shape.x, shape.width, across, right, size);
  const [y, height] = stretched(shape.y, shape.height, down, below, size);
  return { ...shape, x, y, width, height };
}

function stretched(start, length, [first, last], by, size) {
  const end = start + length;
  const from = first ? Math.min(end - 1, Math.max(Math.min(0, start), end - size, start + by)) : start;
  const to = last ? Math.max(start + 1, Math.min(Math.max(size, end), start + size, end + by)) : end;
  return [from, to - from];
}

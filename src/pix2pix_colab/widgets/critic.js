// What the critic sees: the discriminator's verdict on each patch of an image, painted over it.

/** @typedef {Uint8Array} Verdicts one of each patch, row by row, of a square: 255 is called real, 0 fake */

export const LEGEND = `
  <span class="scale">called fake <i></i> called real</span>
  <span class="note">It was trained against the outputs of one λ: for another λ, this is no grade.</span>`;
const PATCH = 70; // px, side of what one verdict is about: the receptive field of a 70×70 PatchGAN
const [PATCH_STEP, FIRST_MIDDLE] = [8, 12]; // px between the middles of two patches, and of the first from the border
const FAKE = [217, 95, 2]; // told apart by the colour-blind, too
const REAL = [106, 61, 190];

/** @param {Verdicts} verdicts @returns {string} a sentence with the share of patches that are called real */
export function describe(verdicts) {
  return `The critic calls ${shareReal(verdicts)} of the patches real.`;
}

/** @param {Verdicts} verdicts @returns {string} the share of patches that are called real, as 16 % */
export const shareReal = (verdicts) => percent(verdicts.filter((each) => each > 127).length / verdicts.length);

/**
 * @param {Verdicts} verdicts
 * @param {number} i of a patch
 * @param {Verdicts} [target] the verdicts on the target
 * @returns {string} a sentence
 */
export function describePatch(verdicts, i, target) {
  const [real, words] = [verdicts[i] / 255, verdicts[i] > 127 ? "real" : "fake"];
  const beside = target ? `, in the target ${percent(target[i] / 255)}` : "";
  return `The critic calls this patch of ${PATCH}×${PATCH} px ${words}: the probability that it is real is ${percent(real)}${beside}.`;
}

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)}\u00a0%`;

/**
 * The patch whose middle is nearest to a point.
 *
 * @param {Verdicts} verdicts
 * @param {number} x in px of the image
 * @param {number} y
 * @returns {number}
 */
export function patchAt(verdicts, x, y) {
  const side = Math.sqrt(verdicts.length);
  const [column, row] = [x, y].map((at) => Math.min(side - 1, Math.max(0, Math.round((at - FIRST_MIDDLE) / PATCH_STEP))));
  return row * side + column;
}

/**
 * Paint the verdicts: orange is called fake, violet real, and what is in doubt is clear.
 *
 * @param {CanvasRenderingContext2D} context in which one px is one of the image
 * @param {Verdicts} verdicts
 * @param {number} framed the patch that gets a frame; -1: none
 */
export function paintVerdicts(context, verdicts, framed) {
  const side = Math.sqrt(verdicts.length);
  verdicts.forEach((value, i) => {
    const real = value / 255;
    const colour = real > 0.5 ? REAL : FAKE;
    context.fillStyle = `rgba(${colour.join()}, ${0.65 * Math.abs(2 * real - 1)})`;
    context.fillRect(leftOf(i % side), leftOf(Math.floor(i / side)), PATCH_STEP, PATCH_STEP);
  });
  if (framed < 0) return;
  const [x, y] = [framed % side, Math.floor(framed / side)].map((at) => FIRST_MIDDLE + PATCH_STEP * at - PATCH / 2);
  for (const [style, width] of /** @type {[string, number][]} */ ([["#000", 4], ["#fff", 2]])) {
    Object.assign(context, { strokeStyle: style, lineWidth: width });
    context.strokeRect(x, y, PATCH, PATCH);
  }
}

const leftOf = (/** @type {number} */ at) => FIRST_MIDDLE + PATCH_STEP * at - PATCH_STEP / 2;

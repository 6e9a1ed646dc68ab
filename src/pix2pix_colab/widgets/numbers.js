// Numbers kept within bounds.

export const ZOOM = { least: 1, most: 8, step: 2 };

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 * @returns {number}
 */
export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/**
 * @param {number} i
 * @param {number} count
 * @returns {number} the nearest index of so many; 0, if it is no number
 */
export const within = (i, count) => clamp(Math.round(i) || 0, 0, count - 1);

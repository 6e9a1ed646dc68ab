// The canvas on which one draws: by mouse, pen, finger and keys.

import { element } from "../elements.js";
import { isCommand } from "../keys.js";
import { toPixels } from "./label_map.js";
import { outline, paintBorders, paintHandles } from "./marks.js";
import { removeSelected } from "./selection.js";
import { boundsOf, shapeAt } from "./shapes.js";
import { TOOLS } from "./tools.js";

/**
 * @typedef {import("./board.js").Board} Board
 * @typedef {import("./shapes.js").Shape} Shape
 * @typedef {import("./shapes.js").Point} Point
 * @typedef {{drag: import("./tools.js").Drag | null, tap: (() => Shape[]) | null, pointer: number | null, preview: Shape[] | null,
 *   timer: number, last: Point, cursor: Point}} State of a drag, by the pointer or by keys, what it is as long as it is a tap, the
 *   shapes that it makes, the timer of a drag that has just begun, its last point, and the cursor that keys move
 */

const QUICK = 200; // ms; of a drag that takes less nothing is computed before its end, which would wait for it

const REACH = { mouse: 9, touch: 18 }; // CSS px around an edge that is dragged
const STEP = { coarse: 4, fine: 1 }; // px, for a press of an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Make a canvas draw on a board.
 * @param {HTMLCanvasElement} canvas @param {Board} board
 * @returns {{paint: () => void, drop: () => void, drawn: () => Shape[], close: () => void}} paints the board's shapes, and what
 *   is being drawn; drops what is being drawn; the shapes with it
 */
export function drawingCanvas(canvas, board) {
  /** @type {State} */
  const state = { drag: null, tap: null, pointer: null, preview: null, timer: 0, last: [0, 0], cursor: [board.size / 2, board.size / 2] };
  const map = element("canvas", { width: board.size, height: board.size });
  const paint = () => paintDrawing(canvas, map, board, state);
  listenToPointer(canvas, board, state, paint);
  listenToKeys(canvas, board, state, paint);
  const drop = () => {
    end(board, state, false);
    paint();
  };
  canvas.onfocus = paint;
  canvas.onblur = drop;
  const resized = new ResizeObserver(paint);
  resized.observe(canvas);
  return { paint, drop, drawn: () => state.preview ?? board.shapes, close: () => resized.disconnect() };
}

// --- a drag: from its start, over any number of points, to its end

function start(board, state, point, pointer = null, reach = REACH.mouse) {
  const { name } = board.data.classes[board.label];
  const { label, radius, selected, shapes, size } = board;
  const setting = { shapes, size, label, name, radius, selected, reach: (reach * size) / (board.drawing.clientWidth || size) };
  const { start: begin, tap, pick } = TOOLS[board.tool];
  state.drag = begin(setting, point);
  state.tap = tap && pointer !== null ? () => tap(setting, point) : null; // of keys, it would be one press too many
  state.pointer = pointer;
  board.select(pick?.(setting, point) ?? -1);
  state.cursor = point;
  tellPen(board, true);
  state.timer = setTimeout(() => sketch(board, state), QUICK);
  follow(board, state, point);
}

function follow(board, state, point) {
  state.last = point;
  state.preview = state.drag(point);
  if (state.preview !== board.shapes) state.tap = null;
  if (!state.timer) sketch(board, state);
}

function sketch(board, state) {
  state.timer = 0;
  if (state.preview !== board.shapes || board.view.wanted?.sketch) board.ask(state.preview);
}

function end(board, state, keep) {
  if (!state.drag) return;
  clearTimeout(state.timer);
  const shapes = (keep && state.tap?.()) || state.preview;
  state.drag = state.tap = state.preview = null;
  if (!keep || shapes === board.shapes) board.dropSketch();
  else {
    const { selected } = board;
    board.draw(shapes);
    board.select(selected); // what was moved
  }
  tellPen(board, false);
}

function tellPen(board, down) {
  board.root.classList.toggle("pen-down", down);
  board.options.onpen?.(down);
}

function listenToPointer(canvas, board, state, paint) {
  const pointOf = (event) => {
    const box = canvas.getBoundingClientRect();
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return at.map((share) => Math.min(board.size - 1, Math.max(0, Math.floor(share * board.size))));
  };
  const folded = () => !canvas.clientWidth || !canvas.clientHeight; // nothing has a place on it
  canvas.onpointerdown = (event) => {
    if (!event.isPrimary || event.button > 0 || folded()) return;
    canvas.setPointerCapture(event.pointerId);
    start(board, state, pointOf(event), event.pointerId, REACH[event.pointerType]);
    paint();
  };
  canvas.onpointermove = (event) => {
    if (folded()) return;
    board.tellClass(pointOf(event));
    if (!state.drag || state.pointer !== event.pointerId) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.slice(0, -1)) state.drag(pointOf(each));
    follow(board, state, pointOf(passed.at(-1) ?? event));
    paint();
  };
  const stop = (keep) => (event) => {
    if (!state.drag || state.pointer !== event.pointerId) return;
    const point = pointOf(event);
    if (keep && !folded() && `${point}` !== `${state.last}`) follow(board, state, point); // else it may be computed already
    end(board, state, keep);
    paint();
  };
  canvas.onpointerleave = () => board.tellClass(null);
  canvas.onpointerup = stop(true);
  canvas.onpointercancel = stop(false);
}

/** Arrow keys move a cursor. Space or Enter begins and ends a drag, Escape drops it, Delete removes what lies there. */
function listenToKeys(canvas, board, state, paint) {
  const toggle = () => (state.drag ? end(board, state, true) : start(board, state, state.cursor));
  const remove = () => {
    if (board.selected < 0) board.select(shapeAt(board.shapes, state.cursor, board.size));
    removeSelected(board);
  };
  const keys = { " ": toggle, Enter: toggle, Escape: () => end(board, state, false), Delete: remove, Backspace: remove };
  canvas.onkeydown = (event) => {
    if (isCommand(event) || (event.shiftKey && !(event.key in ARROWS)) || (event.key === "Escape" && !state.drag)) return;
    if (event.key in ARROWS) {
      const step = event.shiftKey ? STEP.fine : STEP.coarse;
      const to = ARROWS[event.key].map((way, axis) => state.cursor[axis] + way * step);
      state.cursor = to.map((each) => Math.min(board.size - 1, Math.max(0, each)));
      if (state.drag) follow(board, state, state.cursor);
      board.tellClass(state.cursor);
    } else if (!(event.key in keys)) return;
    else if (!event.repeat) keys[event.key]();
    event.preventDefault();
    event.stopPropagation();
    paint();
  };
}

// --- painting

function paintDrawing(canvas, map, board, { preview, cursor }) {
  const shapes = preview ?? board.shapes;
  map.getContext("2d").putImageData(new ImageData(toPixels(board.labelsOf(shapes), board.palette), board.size), 0, 0);
  const side = Math.round(canvas.clientWidth * devicePixelRatio) || board.size;
  if (canvas.width !== side) Object.assign(canvas, { width: side, height: side });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(map, 0, 0, side, side);
  const scale = side / board.size;
  paintBorders(context, board.labelsOf(shapes), board.size, scale);
  const selected = shapes.length === board.shapes.length && shapes[board.selected];
  if (selected) outline(context, boundsOf(selected), scale);
  if (selected?.kind === "rectangle" && board.tool === "move") paintHandles(context, selected, scale);
  if (canvas.matches(":focus-visible")) {
    const [x, y] = cursor;
    for (const box of [{ x, y: y - 5, width: 1, height: 11 }, { x: x - 5, y, width: 11, height: 1 }]) {
      outline(context, box, scale);
    }
  }
}

// The board's tools, of which none needs a browser: `node --test tests/widgets`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeDrawing, encodeDrawing } from "../../src/pix2pix_colab/widgets/drawing/address.js";
import { edgesAt, resized } from "../../src/pix2pix_colab/widgets/drawing/resize.js";
import { copyBeside } from "../../src/pix2pix_colab/widgets/drawing/selection.js";
import { rectangleBetween } from "../../src/pix2pix_colab/widgets/drawing/shapes.js";
import { TOOLS } from "../../src/pix2pix_colab/widgets/drawing/tools.js";

const SIZE = 32;

test("the tools", () => {
  const setting = { shapes: [rectangleBetween([4, 4], [9, 9], 1)], size: SIZE, label: 2, radius: 3 };
  const rectangle = TOOLS.rectangle.start(setting, [20, 20]);
  assert.equal(rectangle([21, 21]), setting.shapes, "too small");
  assert.equal(rectangle([31, 20]).at(-1).height, 1, "but a thin bar is none too small");
  assert.deepEqual(rectangle([12, 25]).at(-1), { kind: "rectangle", label: 2, x: 12, y: 20, width: 9, height: 6 });
  const tapped = TOOLS.rectangle.tap({ ...setting, label: 1 }, [20, 30]).at(-1);
  assert.deepEqual(tapped, { kind: "rectangle", label: 1, x: 17, y: 26, width: 6, height: 6 }, "as the other one, on the map");
  const wall = { ...setting, shapes: [rectangleBetween([0, 0], [31, 31], 2)], name: "shop" };
  assert.equal(TOOLS.rectangle.tap(wall, [0, 0]).at(-1).width, 11, "a wall is no usual part");
  const brush = TOOLS.brush.start(setting, [1, 1]);
  brush([1, 1]);
  assert.deepEqual(brush([2, 5]).at(-1), { kind: "stroke", label: 2, radius: 3, points: [1, 1, 2, 5] });
  const move = TOOLS.move.start(setting, [5, 5]);
  assert.equal(move([5, 5]), setting.shapes);
  assert.deepEqual(move([7, 4]), [rectangleBetween([6, 3], [11, 8], 1)]);
  assert.deepEqual(move([500, 4])[0].x, SIZE - 1, "a part never leaves the map as a whole");
  assert.equal(TOOLS.move.start(setting, [30, 30])([1, 1]), setting.shapes, "there is nothing");
});

test("the selected part is resized by its edges, within the map, and moved by its middle", () => {
  const setting = { shapes: [rectangleBetween([4, 4], [19, 11], 1)], size: SIZE, selected: 0, reach: 3 };
  const drag = (from, to) => TOOLS.move.start(setting, from)(to).at(0);
  assert.deepEqual(drag([20, 12], [25, 14]), rectangleBetween([4, 4], [24, 13], 1), "from just outside its corner");
  assert.deepEqual(drag([4, 8], [1, 30]), rectangleBetween([1, 4], [19, 11], 1), "an edge moves across only");
  assert.deepEqual(drag([12, 4], [12, 31]), rectangleBetween([4, 11], [19, 11], 1), "something is left of it");
  assert.deepEqual(drag([19, 11], [90, 90]), rectangleBetween([4, 4], [31, 31], 1));
  assert.deepEqual(drag([12, 8], [13, 9]), rectangleBetween([5, 5], [20, 12], 1));
  assert.equal(edgesAt(setting.shapes[0], [24, 8], 3), null, "too far away");
  assert.equal(edgesAt(undefined, [4, 4], 3), null);
  const beyond = { ...setting.shapes[0], x: -6 };
  assert.deepEqual(resized(beyond, { across: [0, 1], down: [0, 0] }, 2, 0, SIZE), { ...beyond, width: 18 });
  assert.deepEqual(TOOLS.move.start({ ...setting, selected: -1 }, [4, 8])([5, 8]).at(0).x, 5, "what is not selected is moved");
});

test("a part is never larger than the map, so that an address can hold it", () => {
  const beyond = { kind: "rectangle", label: 1, x: -8, y: 4, width: 30, height: 5 };
  const wide = resized(beyond, { across: [0, 1], down: [0, 0] }, 31, 0, SIZE);
  assert.equal(wide.width, SIZE);
  assert.deepEqual(decodeDrawing(encodeDrawing([wide], SIZE), SIZE, 5), [wide]);
  const other = { ...beyond, x: 10 };
  assert.equal(resized(other, { across: [1, 0], down: [0, 0] }, -31, 0, SIZE).width, SIZE);
});

test("what lies on the edge of the selected part is taken, not the edge", () => {
  const [wall, window, sill] = [
    { kind: "rectangle", label: 1, x: 0, y: 0, width: SIZE, height: SIZE },
    { kind: "rectangle", label: 2, x: 8, y: 8, width: 8, height: 8 },
    { kind: "rectangle", label: 3, x: 7, y: 16, width: 10, height: 2 },
  ];
  const setting = { shapes: [wall, window, sill], size: SIZE, selected: 1, reach: 3 };
  assert.equal(TOOLS.move.pick(setting, [12, 17]), 2, "the sill below it");
  assert.equal(TOOLS.move.pick(setting, [12, 6]), 1, "its upper edge, over the wall");
});

test("a click places no sliver, where a JPEG has left many", () => {
  const slivers = [0, 1, 2].map((y) => ({ kind: "rectangle", label: 2, x: 0, y, width: 9, height: 1 }));
  const setting = { shapes: slivers, size: 256, label: 2, name: "window" };
  const placed = TOOLS.rectangle.tap(setting, [100, 100]).at(-1);
  assert.ok(placed.width > 20 && placed.height > 20);
  const window = { kind: "rectangle", label: 2, x: 0, y: 90, width: 30, height: 61 };
  assert.equal(TOOLS.rectangle.tap({ ...setting, shapes: [...slivers, window] }, [100, 100]).at(-1).height, 61);
});

test("each further copy is moved on, and stays on the map", () => {
  const part = rectangleBetween([12, 12], [15, 15], 1);
  const shapes = [part];
  for (let i = 0; i < 6; i++) shapes.push(copyBeside(part, { shapes, size: SIZE }));
  const places = shapes.map(({ x, y }) => [x, y]);
  assert.deepEqual(places.slice(0, 4), [[12, 12], [20, 20], [28, 28], [4, 4]], "down to the corner, then upwards");
  assert.equal(new Set(places.map(String)).size, 7);
  assert.ok(places.flat().every((at) => at >= 0 && at + 4 <= SIZE));
  const stroke = { kind: "stroke", label: 1, radius: 3, points: [0, 16, 31, 16] };
  const [first, second] = [1, 2].map((_, i, all) => (all[i] = copyBeside(stroke, { shapes: [stroke, ...all.slice(0, i)], size: SIZE })));
  assert.notDeepEqual(first.points, second.points, "also one that is as wide as the map");
  const cornice = rectangleBetween([0, 2], [31, 5], 1);
  assert.deepEqual(copyBeside(cornice, { shapes: [cornice], size: SIZE }), { ...cornice, y: 10 }, "as wide as the map");
});

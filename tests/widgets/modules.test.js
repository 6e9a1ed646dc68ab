// The board's modules that need no browser: `node --test tests/widgets`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeDrawing, encodeDrawing, fitsAddress } from "../../src/pix2pix_colab/widgets/drawing/address.js";
import { fromPixels, paintOver, rasterise, toPixels } from "../../src/pix2pix_colab/widgets/drawing/label_map.js";
import { latest } from "../../src/pix2pix_colab/widgets/drawing/latest.js";
import { partsOf } from "../../src/pix2pix_colab/widgets/drawing/parts.js";
import { distance, History, moved, rectangleBetween, segments, shapeAt } from "../../src/pix2pix_colab/widgets/drawing/shapes.js";
import { shortcut } from "../../src/pix2pix_colab/widgets/drawing/shortcuts.js";
import { TOOLS } from "../../src/pix2pix_colab/widgets/drawing/tools.js";

const SIZE = 32;
const PALETTE = [[0, 0, 220], [0, 48, 252], [0, 128, 252], [252, 0, 0], [172, 0, 0]];

/** Random numbers that are the same in every run: mulberry32. */
function randomNumbers(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function randomShapes(random, kinds = 2) {
  return Array.from({ length: random(12) }, () => {
    const label = random(PALETTE.length);
    const point = () => [random(SIZE), random(SIZE)];
    if (random(kinds) === 0) return rectangleBetween(point(), point(), label);
    return { kind: "stroke", label, radius: 1 + random(4), points: Array.from({ length: 1 + random(5) }, point).flat() };
  });
}

const picture = (...rows) => Uint8Array.from(rows.join(""), Number);

test("shapes are painted one over the other, and end at the border", () => {
  const shapes = [rectangleBetween([3, 2], [1, 0], 1), { kind: "rectangle", label: 2, x: -2, y: 1, width: 4, height: 9 }];
  assert.deepEqual(rasterise(shapes, 4, 0), picture("0111", "2211", "2211", "2200"));
});

test("a stroke is as wide as its radius, and a point of it a disc", () => {
  const stroke = { kind: "stroke", label: 1, radius: 1, points: [1, 1, 3, 1] };
  assert.deepEqual(rasterise([stroke], 5, 0), picture("01110", "11111", "01110", "00000", "00000"));
  assert.deepEqual(rasterise([{ ...stroke, points: [0, 4] }], 5, 0), picture("00000", "00000", "00000", "10000", "11000"));
});

test("a stroke covers the pixels within its radius, and no other", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomNumbers(seed);
    const points = Array.from({ length: 2 * (1 + random(6)) }, () => random(SIZE + 8) - 4);
    const stroke = { kind: "stroke", label: 1, radius: 1 + random(6), points };
    rasterise([stroke], SIZE, 0).forEach((label, i) => {
      const away = Math.min(...segments(stroke).map((line) => distance(i % SIZE, (i / SIZE) | 0, ...line)));
      if (Math.abs(away - stroke.radius) > 1e-6) assert.equal(label, away < stroke.radius ? 1 : 0, `seed ${seed}, pixel ${i}`);
    });
  }
});

test("painting over a map is the same as painting all", () => {
  const shapes = randomShapes(randomNumbers(4));
  const below = rasterise(shapes.slice(0, 2), SIZE, 0);
  assert.deepEqual(paintOver(below, shapes.slice(2), SIZE), rasterise(shapes, SIZE, 0));
});

test("colours and classes convert both ways", () => {
  const labels = Uint8Array.from({ length: 100 }, (_, i) => i % PALETTE.length);
  const found = fromPixels(toPixels(labels, PALETTE), 10, PALETTE);
  assert.deepEqual(found, { labels, near: 1 });
  const green = fromPixels(Uint8ClampedArray.of(0, 255, 0, 255), 1, PALETTE);
  assert.deepEqual(green, { labels: Uint8Array.of(2), near: 0 }, "the nearest, in what is no label map");
});

test("a pixel of no class gets the one around it, and no other pixel changes", () => {
  const labels = rasterise([rectangleBetween([4, 4], [20, 12], 2), rectangleBetween([9, 0], [10, 31], 3)], SIZE, 0);
  const pixels = toPixels(labels, PALETTE);
  pixels.set([120, 120, 120], 0);
  pixels.set([120, 120, 120], 4 * (8 * SIZE + 6));
  assert.deepEqual(fromPixels(pixels, SIZE, PALETTE), { labels, near: 1 - 2 / SIZE ** 2 });
});

test("a blurred edge between two classes makes none of a third", () => {
  const half = Uint8Array.from({ length: SIZE * SIZE }, (_, i) => (i % SIZE < 16 ? 0 : 3));
  const pixels = toPixels(half, PALETTE);
  for (let y = 0; y < SIZE; y++) {
    pixels.set([70, 0, 160], 4 * (y * SIZE + 15));
    pixels.set([170, 0, 60], 4 * (y * SIZE + 16)); // the nearest is that of a shop, not of either side
  }
  assert.deepEqual(fromPixels(pixels, SIZE, PALETTE).labels, half);
});

test("parts, painted, give back any drawing of rectangles, and no more rectangles than pixels", () => {
  for (let seed = 0; seed < 200; seed++) {
    const map = rasterise(randomShapes(randomNumbers(seed)), SIZE, 0);
    const parts = partsOf(map, SIZE, SIZE * SIZE);
    assert.deepEqual(rasterise(parts, SIZE, 4), map, `seed ${seed}`);
  }
});

test("a house is a wall with windows, so that each can be moved", () => {
  const house = [rectangleBetween([0, 0], [31, 31], 1)];
  for (const x of [4, 14, 24]) house.push(rectangleBetween([x, 5], [x + 4, 12], 2), rectangleBetween([x, 11], [x + 4, 12], 3));
  const parts = partsOf(rasterise(house, SIZE, 0), SIZE);
  assert.equal(parts.length, house.length);
  assert.deepEqual(parts[0], house[0], "the wall is whole, and below the windows");
  assert.equal(parts[shapeAt(parts, [15, 6], SIZE)].label, 2);
  assert.equal(shapeAt(parts, [1, 1], SIZE), -1, "the wall stays");
  assert.equal(shapeAt([rectangleBetween([0, 3], [31, 30], 1)], [5, 5], SIZE), -1, "and also below the sky");
});

test("what is seen is moved, however large it is, and nothing below it", () => {
  const window = rectangleBetween([4, 5], [8, 12], 2);
  const shop = rectangleBetween([0, 0], [31, 29], 4);
  assert.equal(shapeAt([rectangleBetween([0, 0], [31, 31], 1), window, shop], [5, 6], SIZE), 2);
  assert.equal(shapeAt([{ kind: "pixels", labels: new Uint8Array(SIZE * SIZE) }, window], [20, 20], SIZE), -1);
});

test("noise has too many parts", () => {
  const random = randomNumbers(1);
  assert.equal(partsOf(Uint8Array.from({ length: SIZE * SIZE }, () => random(5)), SIZE, 100), null);
});

test("a drawing's text gives back the drawing", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = randomNumbers(seed);
    const shapes = randomShapes(random).map((shape) => moved(shape, random(80) - 40, random(80) - 40, SIZE));
    const text = encodeDrawing(shapes, SIZE);
    assert.match(text, /^[\w-]+$/);
    assert.deepEqual(decodeDrawing(text, SIZE, PALETTE.length), shapes);
  }
});

test("a stroke of any length can be written, and is thinned", () => {
  const random = randomNumbers(5);
  const drag = TOOLS.brush.start({ shapes: [], size: 256, label: 1, radius: 8 }, [0, 0]);
  let shapes;
  for (let n = 0; n < 20_000; n++) shapes = drag([random(256), n % 256]);
  assert.deepEqual(decodeDrawing(encodeDrawing(shapes, 256), 256, 2), shapes);
  assert.ok(fitsAddress(shapes) && !fitsAddress([...shapes, ...shapes, ...shapes]));
  assert.throws(() => decodeDrawing(encodeDrawing([...shapes, ...shapes, ...shapes], 256), 256, 2), /too many parts/);
  assert.throws(() => decodeDrawing(encodeDrawing([{ ...shapes[0], radius: 33 }], 256), 256, 2), /damaged/);
  const slow = TOOLS.brush.start({ shapes: [], size: 256, label: 1, radius: 8 }, [0, 0]);
  for (let n = 0; n < 200; n++) shapes = slow([n, 5]);
  assert.ok(shapes[0].points.length < 120 && shapes[0].points.at(-2) === 199, "up to the pointer");
});

test("no text gives anything but sound shapes or a sentence", () => {
  const random = randomNumbers(7);
  const good = encodeDrawing(randomShapes(randomNumbers(3)), SIZE);
  const letters = "ABCxyz019-_=<>\"'%&é";
  for (let n = 0; n < 3000; n++) {
    const at = random(good.length);
    const letter = letters[random(letters.length)];
    const text = [good.slice(0, at) + letter + good.slice(at + 1), good.slice(0, at), letter + good][n % 3];
    let shapes;
    try {
      shapes = decodeDrawing(text, SIZE, PALETTE.length);
    } catch (error) {
      assert.match(error.message, /^The address holds [\w ,]+\.$/);
      continue;
    }
    const numbers = shapes.flatMap((shape) => Object.values(shape).flat()).filter((each) => typeof each !== "string");
    assert.ok(numbers.every((each) => Number.isInteger(each) && Math.abs(each) < 1e6));
    assert.ok(rasterise(shapes, SIZE, 0).every((label) => label < PALETTE.length));
  }
  assert.throws(() => decodeDrawing(good, 64, PALETTE.length), /a drawing of 32 px, but this board has 64/);
});

test("undo and redo", () => {
  const history = new History(["a"]);
  history.undo();
  assert.deepEqual(history.shapes, ["a"]);
  history.push(["b"]);
  history.push(["c"]);
  history.undo();
  assert.ok(history.canUndo && history.canRedo);
  history.push(["d"]);
  assert.ok(!history.canRedo, "what was undone is forgotten");
  history.redo();
  assert.deepEqual(history.shapes, ["d"]);
  history.undo();
  history.undo();
  assert.deepEqual(history.shapes, ["a"]);
  for (let n = 0; n < 500; n++) history.push([n]);
  assert.ok(history.states.length < 250, "memory is bounded");
});

const press = (key, code, more) => shortcut({ key, code, ctrlKey: false, metaKey: false, shiftKey: false, ...more });

test("shortcuts, also where letters are not Latin", () => {
  assert.equal(press("z", "KeyY", { ctrlKey: true }), "undo", "a German keyboard");
  assert.equal(press("я", "KeyZ", { ctrlKey: true }), "undo");
  assert.equal(press("Z", "KeyZ", { metaKey: true, shiftKey: true }), "redo");
  assert.equal(press("y", "KeyY", { ctrlKey: true }), "redo");
  assert.equal(press("Backspace", "Backspace"), "delete");
  assert.equal(press("z", "KeyZ"), "");
  assert.equal(press("d", "KeyD", { metaKey: true }), "duplicate");
  assert.deepEqual(["r", "B", "ь"].map((key) => press(key, `Key${{ ь: "M" }[key] ?? key}`)), ["rectangle", "brush", "move"]);
  assert.equal(press("b", "KeyB", { altKey: true }) + press("B", "KeyB", { shiftKey: true }), "", "the browser's, or a notebook's");
  assert.equal(press("1", "Digit1", { ctrlKey: true }), "");
  const others = ["Tab", "Enter", "NumpadEnter"].map((code) => press(code.replace("Numpad", ""), code));
  assert.equal(others.join(""), "", "the browser's, to walk the page and press its buttons");
  assert.equal(press("End", "End", { ctrlKey: true }) + press("+", "NumpadAdd", { ctrlKey: true }), "");
});

test("of the jobs that are asked for meanwhile only the newest is run", async () => {
  const done = [];
  const ask = latest(async (job) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    done.push(job);
  });
  await Promise.all([ask(1), ask(2), ask(3), ask(0)]);
  assert.deepEqual(done, [1, 0]);
  await ask(4);
  assert.deepEqual(done, [1, 0, 4]);
});

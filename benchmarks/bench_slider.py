"""The λ slider's time for a move, and the size of its page: `python benchmarks/bench_slider.py`.

A page of the pretrained λ path, 21 positions × twelve images of 256 px, in headless Chromium, moved by keys and by
dragging with the mouse. Each time is from when the browser got the key or the mouse's move to the first frame after the
one that shows it. So it holds up to two intervals of a 60 Hz screen, 33 ms, however fast the drawing is. Beside it
stands the time of the drawing alone, with pixels read back, so that nothing is left to do. Needs `make test`'s
environment and Chromium.

With --formats only the page's size is measured, and what other image formats would take.
"""

import argparse
import io
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Page
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools.browser import chromium

from pix2pix_colab import load_pretrained
from pix2pix_colab.data import Pairs, synthetic_facades
from pix2pix_colab.utils.markdown import markdown_table
from pix2pix_colab.widgets import slider_of_pairs

LAST = 20  # position
FORMATS = (
    ("JPEG", {"quality": 80, "subsampling": 0}),
    ("JPEG", {"quality": 60, "subsampling": 0}),
    ("JPEG", {"quality": 60, "subsampling": 2}),
    ("WEBP", {"quality": 85, "method": 4}),
    ("WEBP", {"quality": 80, "method": 4}),
    ("WEBP", {"quality": 75, "method": 4}),
    ("WEBP", {"quality": 75, "method": 2}),
    ("WEBP", {"quality": 60, "method": 4}),
    ("WEBP", {"lossless": True, "method": 4}),
)

WATCH = """() => {
    window.taken = [];
    const watch = event => {
        if (event.type === "pointermove" && !event.buttons) return;
        requestAnimationFrame(() => requestAnimationFrame(() => taken.push(performance.now() - event.timeStamp)));
    };
    for (const kind of ["keydown", "pointermove"]) addEventListener(kind, watch, true);
}"""

DRAW = """moves => {
    const root = document.querySelector(".lambda-slider"), input = root.querySelector(".lambda input");
    return Array.from({ length: moves }, (_, move) => {
        const began = performance.now();
        const key = move % 21 < 20 ? "ArrowRight" : "Home";
        input.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        for (const canvas of root.querySelectorAll("figure:not([hidden]) canvas"))
            canvas.getContext("2d").getImageData(0, 0, 1, 1);
        return performance.now() - began;
    });
}"""

PAUSE = "() => new Promise(done => setTimeout(done, 40 + 17 * Math.random()))"  # ends anywhere between two frames


def moved_by_key(page: Page, moves: int) -> list[float]:
    page.locator(".lambda input").focus()
    for move in range(moves):
        page.keyboard.press("ArrowRight" if move % (LAST + 1) < LAST else "Home")
        page.evaluate(PAUSE)
    return page.evaluate("taken.splice(0)")


def moved_by_mouse(page: Page, moves: int) -> list[float]:
    """Held all the time, from position to position and back: the thumb is 22 px wide."""
    box = page.locator(".lambda input").bounding_box()
    for move in range(moves + 1):
        position = abs(move % (2 * LAST) - LAST)
        page.mouse.move(box["x"] + 11 + (box["width"] - 22) * position / LAST, box["y"] + box["height"] / 2)
        if move == 0:
            page.mouse.down()
        page.evaluate(PAUSE)
    page.mouse.up()
    return page.evaluate("taken.splice(0)")


def summary(times: list[float]) -> str:
    """The median, and what 95 % of the times stay within."""
    return f"{statistics.median(times):.1f} ({sorted(times)[math.ceil(0.95 * len(times)) - 1]:.1f})"


def measure_format(images: list[Image.Image], form: str, options: dict) -> dict[str, str]:
    """Bytes, mean error, and encoding time of an image in a format."""
    began, encoded = time.process_time(), [io.BytesIO() for _ in images]
    for image, buffer in zip(images, encoded, strict=True):
        image.save(buffer, form, **options)
    seconds = time.process_time() - began
    shown = [np.asarray(Image.open(buffer).convert("RGB"), int) for buffer in encoded]
    error = np.mean([np.abs(a - np.asarray(b, int)).mean() for a, b in zip(shown, images, strict=True)])
    size = sum(buffer.tell() for buffer in encoded) / len(encoded)
    return {"kB": f"{size / 1000:.1f}", "error": f"{error:.1f}", "ms": f"{1000 * seconds / len(images):.1f}"}


def print_formats(pairs: Pairs, outputs: dict[float, Tensor]) -> None:
    kinds = {"output": torch.cat(list(outputs.values())[::3])[::4], "target": pairs.target, "label map": pairs.source}
    for kind, tensor in kinds.items():
        images = [to_pil_image(image) for image in tensor]
        rows = []
        for form, options in FORMATS:
            name = " ".join([form, *(f"{name} {value}" for name, value in options.items())])
            rows.append({kind: name} | measure_format(images, form, options))
        print(markdown_table(rows), end="\n\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=100)
    parser.add_argument("--formats", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pairs, path = synthetic_facades(12, seed=1), load_pretrained()
    outputs = path.translate(pairs.source, path.grid())
    began = time.process_time()
    slider = slider_of_pairs(pairs, outputs, stops=path.lambdas)
    print(f"{len(outputs)} λ × {len(pairs)} images encoded in {time.process_time() - began:.1f} s of one core")
    if options.formats:
        print_formats(pairs, outputs)
    with tempfile.TemporaryDirectory() as folder:
        page = slider.save_page(Path(folder) / "lambda.html")
        print(f"page: {page.stat().st_size / 1e6:.1f} MB")
        if not options.formats:
            time_moves(page, options.moves)


def time_moves(path: Path, moves: int) -> None:
    """Print a table of the times in each view."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.goto(path.as_uri())
        page.locator(".lambda-slider[aria-busy=false]").wait_for()
        print(f"shown after {page.evaluate('performance.now()'):.0f} ms\n")
        page.evaluate(WATCH)
        rows, slowest = [], 0.0
        for view in ("side", "wipe", "difference", "all"):
            page.locator(f".views input[value={view}]").check(force=True)
            for scale in (1, 4):
                page.locator(".lambda input").press("0")
                for _ in range(scale // 2):
                    page.locator(".lambda input").press("+")
                page.evaluate(PAUSE)
                page.evaluate("taken.splice(0)")
                by_key, by_mouse = moved_by_key(page, moves), moved_by_mouse(page, moves)
                assert min(len(by_key), len(by_mouse)) >= moves - 1, "a move was lost"
                slowest = max(slowest, statistics.median(by_key), statistics.median(by_mouse))
                drawn = summary(page.evaluate(DRAW, moves))
                times = {"by key, ms": summary(by_key), "by mouse, ms": summary(by_mouse), "drawing alone, ms": drawn}
                rows.append({"view": f"{view}, {scale}×"} | times)
        print(markdown_table(rows))
        print("\nMedian (95 % within). The slowest median:", f"{slowest:.1f} ms.")


if __name__ == "__main__":
    main()

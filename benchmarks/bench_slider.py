"""How long a move of the λ slider takes until its images are on the screen: `python benchmarks/bench_slider.py`.

A page of six λ × twelve images of 256 px in headless Chromium, moved by keys and by dragging with the mouse. Each time
is from when the browser got the key or the mouse's move to the first frame after the one that shows it. So it holds up
to two intervals of a 60 Hz screen, 33 ms, however fast the drawing is. Beside it stands the time of the drawing alone,
with pixels read back, so that nothing is left to do. Needs `make test`'s environment and Chromium.
"""

import argparse
import math
import shutil
import statistics
import tempfile
from pathlib import Path

import torch
from playwright.sync_api import Page, sync_playwright

from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.loss import LAMBDAS
from pix2pix_colab.slider import slider_of_pairs
from pix2pix_colab.utils.markdown import markdown_table

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
        input.dispatchEvent(new KeyboardEvent("keydown", { key: move % 6 < 5 ? "ArrowRight" : "Home", bubbles: true }));
        for (const canvas of root.querySelectorAll("figure:not([hidden]) canvas"))
            canvas.getContext("2d").getImageData(0, 0, 1, 1);
        return performance.now() - began;
    });
}"""

PAUSE = "() => new Promise(done => setTimeout(done, 40 + 17 * Math.random()))"  # ends anywhere between two frames


def moved_by_key(page: Page, moves: int) -> list[float]:
    page.locator(".lambda input").focus()
    for move in range(moves):
        page.keyboard.press("ArrowRight" if move % 6 < 5 else "Home")
        page.evaluate(PAUSE)
    return page.evaluate("taken.splice(0)")


def moved_by_mouse(page: Page, moves: int) -> list[float]:
    """Held all the time, from stop to stop and back: the thumb is 22 px wide."""
    box = page.locator(".lambda input").bounding_box()
    for move in range(moves + 1):
        stop = abs(move % 10 - 5)
        page.mouse.move(box["x"] + 11 + (box["width"] - 22) * stop / 5, box["y"] + box["height"] / 2)
        if move == 0:
            page.mouse.down()
        page.evaluate(PAUSE)
    page.mouse.up()
    return page.evaluate("taken.splice(0)")


def summary(times: list[float]) -> str:
    """The median, and what 95 % of the times stay within."""
    return f"{statistics.median(times):.1f} ({sorted(times)[math.ceil(0.95 * len(times)) - 1]:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=100)
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert chromium, "There is no Chromium here: apt-get install chromium."
    pairs, random = synthetic_facades(12, seed=1), torch.Generator().manual_seed(0)
    noise = torch.randn(pairs.target.shape, generator=random)
    outputs = {k: (pairs.target + noise * 3 * i).clamp(0, 255).byte() for i, k in enumerate(LAMBDAS)}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        path = slider_of_pairs(pairs, outputs).save_page(Path(folder) / "lambda.html")
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.goto(path.as_uri())
        page.locator(".lambda-slider[aria-busy=false]").wait_for()
        print(f"{path.stat().st_size / 1e6:.1f} MB, shown after {page.evaluate('performance.now()'):.0f} ms\n")
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
                by_key, by_mouse = moved_by_key(page, options.moves), moved_by_mouse(page, options.moves)
                assert min(len(by_key), len(by_mouse)) >= options.moves - 1, "a move was lost"
                slowest = max(slowest, statistics.median(by_key), statistics.median(by_mouse))
                drawn = summary(page.evaluate(DRAW, options.moves))
                times = {"by key, ms": summary(by_key), "by mouse, ms": summary(by_mouse), "drawing alone, ms": drawn}
                rows.append({"view": f"{view}, {scale}×"} | times)
        print(markdown_table(rows))
        print("\nMedian (95 % within). The slowest median:", f"{slowest:.1f} ms.")
        browser.close()


if __name__ == "__main__":
    main()

"""How long a move of the λ slider takes until its images are on the screen: `python tests/bench_slider.py`.

A page of six λ × twelve images of 256 px in headless Chromium. Each time is from the input event to the first frame
after the one that draws it, so that it holds the drawing and up to two intervals of a 60 Hz screen (17 ms each). Beside
it stands the time of the drawing alone, with all pixels read back. Needs `make test`'s environment and Chromium.
"""

import argparse
import math
import shutil
import statistics
import tempfile
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

from pix2pix_colab.frames import lambda_slider
from pix2pix_colab.lambdas import LAMBDAS
from pix2pix_colab.synthetic import draw_facades
from pix2pix_colab.tables import markdown_table

MEASURE = """async ([view, moves]) => {
    const root = document.querySelector(".lambda-slider"), input = root.querySelector(".lambda input");
    root.querySelector(`.views input[value=${view}]`).click();
    const next = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    await next();
    const shown = [], drawn = [];
    for (let move = 0; move < moves; move++) {
        const began = performance.now();
        input.dispatchEvent(new KeyboardEvent("keydown", { key: move % 6 < 5 ? "ArrowRight" : "Home", bubbles: true }));
        for (const canvas of root.querySelectorAll("figure:not([hidden]) canvas"))
            canvas.getContext("2d").getImageData(0, 0, 1, 1);
        drawn.push(performance.now() - began);
        await next();
        shown.push(performance.now() - began);
        await new Promise(done => setTimeout(done, 20 + 17 * Math.random()));
    }
    return { shown, drawn };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=120)
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert chromium, "There is no Chromium here: apt-get install chromium."
    pairs, random = draw_facades(12, seed=1), torch.Generator().manual_seed(0)
    noise = torch.randn(pairs.target.shape, generator=random)
    outputs = {k: (pairs.target + noise * 3 * i).clamp(0, 255).byte() for i, k in enumerate(LAMBDAS)}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        path = lambda_slider(pairs, outputs).save_page(Path(folder) / "lambda.html")
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.goto(path.as_uri())
        page.locator(".lambda-slider[aria-busy=false]").wait_for()
        print(f"{path.stat().st_size / 1e6:.1f} MB, shown after {page.evaluate('performance.now()'):.0f} ms\n")
        rows = []
        for view, zoomed in (("side", ""), ("side", "+"), ("wipe", ""), ("difference", ""), ("all", ""), ("all", "+")):
            page.locator(".lambda input").press("0")
            for key in 2 * zoomed:
                page.locator(".lambda input").press(key)
            times = page.evaluate(MEASURE, [view, options.moves])
            row = {"view": view + (", zoomed 4×" if zoomed else "")}
            for name, values in times.items():
                slow = sorted(values)[math.ceil(0.95 * len(values)) - 1]
                row |= {f"{name}, ms": f"{statistics.median(values):.1f}", f"95 % of {name} within": f"{slow:.1f}"}
            rows.append(row)
        print(markdown_table(rows))
        browser.close()


if __name__ == "__main__":
    main()

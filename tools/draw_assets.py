"""Draw the pictures of the README and docs into assets/: `make assets`.

With the folder of the real facades, `python tools/draw_assets.py FACADES` (make assets FACADES=…), also those of the
real test pairs: only what the pretrained network generated, nothing of the pairs. With build/site (`make site`), also
the drawing board.
"""

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from pix2pix_colab import LambdaPath, load_pretrained, translate
from pix2pix_colab.data import example_label_maps, read_pairs, synthetic_facades
from pix2pix_colab.evaluation import Report, evaluate
from pix2pix_colab.figures import (
    disagreement_grid,
    image_grid,
    lambda_grid,
    pair_grid,
    tradeoff_plot,
)
from pix2pix_colab.loss import LAMBDAS, lambda_label
from pix2pix_colab.notebook import open_workspace
from pix2pix_colab.training import ProgressBar, sweep
from pix2pix_colab.widgets import LambdaSlider, encode

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools import network_diagrams
from tools.browser import chromium, serve

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "assets"
HOUSE = (  # what is drawn on the board: class, and left, top, right and bottom as shares of the board
    ("cornice", 0, 0.03, 0.999, 0.09),
    *(("window", x, y, x + 0.16, y + 0.22) for y in (0.17, 0.47) for x in (0.1, 0.42, 0.74)),
    *(("balcony", x - 0.02, 0.63, x + 0.18, 0.71) for x in (0.1, 0.74)),
    *(("sill", x - 0.01, 0.395, x + 0.17, 0.415) for x in (0.1, 0.42, 0.74)),
    ("molding", 0, 0.76, 0.999, 0.78),
    ("door", 0.43, 0.81, 0.57, 0.98),
    ("window", 0.1, 0.82, 0.3, 0.94),
    ("window", 0.7, 0.82, 0.9, 0.94),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facades", nargs="?", help="the folder of the real facades")
    facades = parser.parse_args().facades

    pair_grid(synthetic_facades(12)).savefig(ASSETS / "image_pairs.png", dpi=110)
    network_diagrams.main()

    path, sources = load_pretrained(), example_label_maps()
    strip = path.translate(sources[:4], LAMBDAS)
    draw_strip([("label map", sources[:4]), *named(strip)], "lambda.jpg")
    draw_quick()
    photograph_board()
    if facades:
        pairs = read_pairs(facades, 256, "BtoA", "test")
        train_pairs = read_pairs(facades, 286, "BtoA", "train")
        outputs = path.translate(pairs.source, LAMBDAS)
        report = evaluate(outputs, pairs, train_pairs, ROOT / "runs/pretrained")
        tradeoff_plot(report, outputs, image=36).savefig(ASSETS / "facades_tradeoff.png", dpi=110)
        draw_strip(named({k: output[:108:18] for k, output in outputs.items()}), "facades_lambda.jpg")  # not chosen
        grid = disagreement_grid(100, math.inf, outputs, pairs, with_pair=False)
        grid.savefig(ASSETS / "disagreement.png", dpi=120)
        photograph_slider(path, sources, report)


def named(outputs: Mapping[float, Tensor]) -> list[tuple[str, Tensor]]:
    return [(lambda_label(lambda_l1), images) for lambda_l1, images in outputs.items()]


def draw_strip(columns: list[tuple[str, Tensor]], name: str) -> None:
    image_grid(columns).savefig(ASSETS / name, dpi=120, pil_kwargs={"quality": 85})


def draw_quick() -> None:
    """The sweep of the preset quick, as notebook 4 trains it."""
    workspace = open_workspace("quick")
    train_pairs, test_pairs = workspace.load_pairs()
    runs = sweep(train_pairs, LAMBDAS, workspace.config(train_pairs), workspace.runs, ProgressBar())
    outputs = {k: translate(run.load_generator(), test_pairs.source[:4]) for k, run in runs.items()}
    lambda_grid(test_pairs[:4], outputs).savefig(ASSETS / "quick.jpg", dpi=120)


def photograph_slider(path: LambdaPath, sources: Tensor, report: Report) -> None:
    """The slider along the pretrained path, with the metrics of the real test images."""
    encoded = {k: encode(output) for k, output in path.translate(sources, path.grid()).items()}
    caption = f"of {report.images} real test images"
    slider = LambdaSlider(encoded, encode(sources), None, report.named, caption, stops=path.lambdas)
    page = slider.save_page(ROOT / "runs/pretrained/slider.html")
    photograph(page, "slider.png", "side", "light")
    photograph(page, "slider_wipe.png", "wipe", "dark")


def photograph_board() -> None:
    """The page with the drawing board, if `make site` has built it: a house that is drawn by the mouse."""
    if not (site := ROOT / "build/site").is_dir():
        return
    with chromium() as browser, serve(site) as address:
        tab = browser.new_page(viewport={"width": 1112, "height": 900})
        tab.goto(address)
        tab.locator("#offline:not(:empty)").wait_for()
        tab.get_by_role("button", name="An empty wall").click()
        for label, left, top, right, bottom in HOUSE:
            tab.locator(".palette label").filter(has_text=label).click()
            tab.evaluate("scrollTo(0, 0)")
            box = tab.locator(".drawing canvas").bounding_box()
            tab.mouse.move(box["x"] + left * box["width"], box["y"] + top * box["height"])
            tab.mouse.down()
            tab.mouse.move(box["x"] + right * box["width"], box["y"] + bottom * box["height"], steps=3)
            tab.mouse.up()
        tab.locator(".output[aria-busy=false]").wait_for()
        tab.locator(".drawing-board").screenshot(path=ASSETS / "board.jpg", quality=85)


def photograph(page: Path, name: str, view: str, scheme: str) -> None:
    """The slider's page as a browser shows it."""
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1040, "height": 900}, color_scheme=scheme)
        tab.goto(page.as_uri())
        tab.locator(".lambda-slider[aria-busy=false]").wait_for()
        tab.locator(f"input[value={view}]").check(force=True)
        tab.locator(".thumbnails button").nth(2).click()
        tab.locator("main").screenshot(path=ASSETS / name)


if __name__ == "__main__":
    main()

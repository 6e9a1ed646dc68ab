"""Draw the pictures of the README and docs into assets/: `make assets`.

With a folder of pairs and the runs of a sweep, `python tools/draw_assets.py PAIRS RUNS`, also those of these runs: only
what they generated, nothing of the pairs. With build/site (`make site`), also the drawing board.
"""

import argparse
import math
import sys
from pathlib import Path

from torch import Tensor

from pix2pix_colab.data import Pairs, read_pairs, synthetic_facades
from pix2pix_colab.discriminator import PatchDiscriminator
from pix2pix_colab.evaluation import evaluate
from pix2pix_colab.figures import (
    disagreement_grid,
    draw_discriminator,
    draw_generator,
    image_grid,
    lambda_grid,
    pair_grid,
    tradeoff_plot,
)
from pix2pix_colab.generator import UNetGenerator
from pix2pix_colab.inference import translate
from pix2pix_colab.interpolation import LambdaPath
from pix2pix_colab.loss import LAMBDAS, lambda_label
from pix2pix_colab.notebook import Workspace, open_workspace
from pix2pix_colab.slider import slider_of_pairs
from pix2pix_colab.training import ProgressBar, Run, lambda_path, read_sweep, sweep

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools.browser import chromium, serve

ASSETS = Path(__file__).resolve().parents[1] / "assets"
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="?", help="a folder of side-by-side pairs")
    parser.add_argument("runs", nargs="?", help="where a sweep left its runs")
    options = parser.parse_args()

    pair_grid(synthetic_facades(12)).savefig(ASSETS / "image_pairs.png", dpi=110)
    draw_generator(UNetGenerator()).savefig(ASSETS / "gen_architecture.png", dpi=160)
    drawing = draw_discriminator(PatchDiscriminator(), image=synthetic_facades(1).target[0])
    drawing.savefig(ASSETS / "discr_architecture.png", dpi=160)

    workspace = open_workspace("quick")
    train_pairs, test_pairs = workspace.load_pairs()
    runs = sweep(train_pairs, LAMBDAS, workspace.config(train_pairs), workspace.runs, ProgressBar())
    outputs = translated(runs, test_pairs.source)
    first = {k: output[:4] for k, output in outputs.items()}
    lambda_grid(test_pairs[:4], first).savefig(ASSETS / "lambda.jpg", dpi=120)
    disagreement_grid(100, math.inf, outputs, test_pairs).savefig(ASSETS / "disagreement.png", dpi=120)
    draw_path(workspace, train_pairs, test_pairs)
    photograph_board()

    if options.runs:
        pairs, runs = read_pairs(options.pairs, 256, "BtoA"), read_sweep(options.runs)
        outputs = translated(runs, pairs.source)
        report = evaluate(outputs, pairs, folder=options.runs)
        tradeoff_plot(report, outputs, image=36).savefig(ASSETS / "facades_tradeoff.png", dpi=110)
        columns = [(lambda_label(k), output[:108:18]) for k, output in outputs.items()]  # six of 106, without choosing
        image_grid(columns).savefig(ASSETS / "facades_lambda.jpg", dpi=120)


def draw_path(workspace: Workspace, train_pairs: Pairs, test_pairs: Pairs) -> None:
    """A film strip of the λ path, and the slider that goes along it."""
    config = workspace.path_config(train_pairs)
    runs = lambda_path(train_pairs, LAMBDAS, config, workspace.runs / "path", ProgressBar())
    path = LambdaPath({k: run.load_generator() for k, run in runs.items()})
    strip = path.translate(test_pairs.source[:4], path.grid(between=1))
    lambda_grid(test_pairs[:4], strip).savefig(ASSETS / "path.jpg", dpi=90)
    outputs = path.translate(test_pairs.source, path.grid())
    report = evaluate(outputs, test_pairs, train_pairs, workspace.runs)
    page = slider_of_pairs(test_pairs[:12], outputs, report, path.lambdas).save_page(workspace.runs / "path.html")
    photograph(page, "slider.png", "side", "light")
    photograph(page, "slider_wipe.png", "wipe", "dark")


def photograph_board() -> None:
    """The page with the drawing board, if `make site` has built it: a house that is drawn by the mouse."""
    if not (site := ASSETS.parent / "build/site").is_dir():
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


def translated(runs: dict[float, Run], source: Tensor) -> dict[float, Tensor]:
    """What each λ makes of the sources."""
    return {k: translate(run.load_generator(), source) for k, run in runs.items()}


def photograph(page: Path, name: str, view: str, scheme: str) -> None:
    """The slider's page as a browser shows it."""
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1040, "height": 900}, color_scheme=scheme)
        tab.goto(page.as_uri())
        tab.locator(".lambda-slider[aria-busy=false]").wait_for()
        tab.locator(f"input[value={view}]").check(force=True)
        tab.locator(".thumbnails button").nth(4).click()
        tab.locator("main").screenshot(path=ASSETS / name)


if __name__ == "__main__":
    main()

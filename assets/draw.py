"""Redraws the figures of the README, beside this file: `make assets`.

With a folder of pairs and the runs of a sweep, `python assets/draw.py PAIRS RUNS`, it also draws what those runs make
of the pairs; of the pairs themselves nothing is shown.
"""

import argparse
from pathlib import Path

from pix2pix_colab.discriminator import PatchDiscriminator
from pix2pix_colab.drawings import draw_discriminator, draw_generator
from pix2pix_colab.evaluate import translate
from pix2pix_colab.figures import image_sheet, lambda_sheet, pair_sheet
from pix2pix_colab.generator import UNetGenerator
from pix2pix_colab.lambdas import LAMBDAS, lambda_label
from pix2pix_colab.pairs import read_pairs
from pix2pix_colab.sweep import ProgressBar, read_sweep, sweep
from pix2pix_colab.synthetic import draw_facades
from pix2pix_colab.workspace import open_workspace

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="?", help="a folder of side-by-side pairs")
    parser.add_argument("runs", nargs="?", help="where a sweep left its runs")
    options = parser.parse_args()

    pair_sheet(draw_facades(12)).savefig(HERE / "image_pairs.png", dpi=110)
    draw_generator(UNetGenerator()).savefig(HERE / "gen_architecture.png", dpi=160)
    drawing = draw_discriminator(PatchDiscriminator(), image=draw_facades(1).target[0])
    drawing.savefig(HERE / "discr_architecture.png", dpi=160)

    workspace = open_workspace("quick")
    train_pairs, test_pairs = workspace.load_pairs()
    runs = sweep(train_pairs, LAMBDAS, workspace.config(train_pairs), workspace.runs, ProgressBar())
    shown = test_pairs[:4]
    outputs = {k: translate(run.load_generator(), shown.source) for k, run in runs.items()}
    lambda_sheet(shown, outputs).savefig(HERE / "lambda.png", dpi=120)

    if options.runs:
        source = read_pairs(options.pairs, size=256).source[::18]  # six of the 106, without choosing
        outputs = {k: translate(run.load_generator(), source) for k, run in read_sweep(options.runs).items()}
        columns = [(lambda_label(k), output[i::2]) for i in (0, 1) for k, output in outputs.items()]
        image_sheet(columns).savefig(HERE / "facades_lambda.png", dpi=120)


if __name__ == "__main__":
    main()

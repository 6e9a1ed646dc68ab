"""Train the λ path of the package further: `python tools/train_pretrained.py FACADES RUNS`.

FACADES is the folder of the real facades, RUNS that of the runs. The trunk begins with the weights that the package
has, and its legs with the trunk. It can be killed at any time, and resumes. `tools/save_pretrained.py RUNS/path` puts
the result into the package.
"""

import argparse
from pathlib import Path

from pix2pix_colab import load_pretrained
from pix2pix_colab.data import jitter_size, read_pairs
from pix2pix_colab.training import ProgressBar, TrainConfig, train, train_lambda_path

CONFIG = TrainConfig(width=32, epochs=16, balanced_layers=3, discriminator_shift=1)
LEG = 4 / CONFIG.epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("facades", type=Path, help="the folder of the real facades")
    parser.add_argument("runs", type=Path, help="the folder of the runs")
    options = parser.parse_args()
    pairs, bar = read_pairs(options.facades, jitter_size(CONFIG.image_size), "BtoA", "train"), ProgressBar()
    trunk = train(pairs, CONFIG, options.runs / "trunk", bar, start=load_pretrained())
    train_lambda_path(pairs, root=options.runs / "path", start=trunk, on_progress=bar, leg=LEG)


if __name__ == "__main__":
    main()

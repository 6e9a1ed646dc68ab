"""Train the λ path of the package further: `python tools/train_pretrained.py FACADES RUNS`.

FACADES is the folder of the real facades, RUNS that of the runs. The trunk begins with the weights that the package
has, and its legs with the trunk. It can be killed at any time, and resumes. Beside the runs it keeps the average of the
trunk's weights (`average.pt`). `tools/save_pretrained.py RUNS/path` puts the result into the package.
"""

import argparse
from pathlib import Path

import torch

from pix2pix_colab import load_pretrained
from pix2pix_colab.data import jitter_size, read_pairs
from pix2pix_colab.training import Progress, TrainConfig, train, train_lambda_path
from pix2pix_colab.utils.files import atomic_write

CONFIG = TrainConfig(width=32, epochs=16, balanced_layers=3, discriminator_shift=1)
LEG = 4 / CONFIG.epochs
LOG_EVERY = 20  # steps, after each of which the average moves
DECAY = 0.999**LOG_EVERY
AVERAGED_EVERY = 500  # steps, after which the average is written


class Average:
    """Callback that keeps the average of the trunk's generator."""

    def __init__(self, file: Path):
        self.file = file
        saved = torch.load(file, weights_only=True) if file.exists() else {"step": 0, "weights": {}}
        self.step, self.weights = saved["step"], saved["weights"]

    def __call__(self, progress: Progress) -> None:
        if progress.step <= self.step:  # known from before it was killed
            return
        for name, weights in progress.generator.state_dict().items():
            if name not in self.weights or not weights.is_floating_point():
                self.weights[name] = weights.clone()
            else:
                self.weights[name].lerp_(weights, 1 - DECAY)
        self.step = progress.step
        if progress.step % AVERAGED_EVERY == 0 or progress.step == progress.steps:
            say(progress)
            with atomic_write(self.file) as partial:
                torch.save({"step": self.step, "weights": self.weights}, partial)


def say(progress: Progress) -> None:
    if progress.step % 500 == 0 or progress.step == progress.steps:
        print(f"λ = {progress.config.lambda_l1:g}: step {progress.step:,} of {progress.steps:,}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("facades", type=Path, help="the folder of the real facades")
    parser.add_argument("runs", type=Path, help="the folder of the runs")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(options.facades, jitter_size(CONFIG.image_size), "BtoA", "train")
    average = Average(options.runs / "average.pt")
    trunk = train(pairs, CONFIG, options.runs / "trunk", average, start=load_pretrained())
    train_lambda_path(pairs, root=options.runs / "path", start=trunk, on_progress=say, leg=LEG)


if __name__ == "__main__":
    main()

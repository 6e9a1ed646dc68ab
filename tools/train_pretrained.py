"""Train the λ path that is published as the pretrained weights: `python tools/train_pretrained.py FACADES RUNS`.

FACADES is the folder of the real facades, RUNS that of the runs. It can be killed at any time, and resumes. Beside the
runs it keeps, of the trunk, the average of its weights (`average.pt`) and what it was at 16 steps (`film/`): the
networks, and their outputs for twelve validation pairs.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import save_image

from pix2pix_colab import translate
from pix2pix_colab.data import jitter_size, read_pairs
from pix2pix_colab.training import Progress, TrainConfig, train_lambda_path
from pix2pix_colab.utils.files import atomic_write

CONFIG = TrainConfig(width=32, balanced_layers=3, discriminator_shift=1)  # else the paper's: 200 epochs
LEG = 25 / CONFIG.epochs
LOG_EVERY = 20  # steps, after each of which the average moves
DECAY = 0.999**LOG_EVERY
FILM, SHOWN = 16, 12  # moments; validation pairs
AVERAGED_EVERY = 500  # steps, after which the average is written


class Film:
    """Callback that keeps the average of the trunk's generator, and its networks at log-spaced steps."""

    def __init__(self, sources: Tensor, root: Path, steps: int):
        self.sources, self.root = sources, root
        exact = torch.logspace(2, torch.log10(torch.tensor(steps)).item(), FILM).tolist()
        self.moments = {LOG_EVERY * round(step / LOG_EVERY) for step in exact}
        self.file = root / "average.pt"
        saved = torch.load(self.file, weights_only=True) if self.file.exists() else {"step": 0, "weights": {}}
        self.step, self.weights = saved["step"], saved["weights"]

    def __call__(self, progress: Progress) -> None:
        if progress.step % 1000 == 0 or progress.step == progress.steps:
            print(f"λ = {progress.config.lambda_l1:g}: step {progress.step:,} of {progress.steps:,}", flush=True)
        if progress.config.late_layers or progress.step <= self.step:  # a leg; or known from before it was killed
            return
        self._average(progress)
        if progress.step in self.moments:
            self._keep(progress)

    def _average(self, progress: Progress) -> None:
        for name, weights in progress.generator.state_dict().items():
            if name not in self.weights or not weights.is_floating_point():
                self.weights[name] = weights.clone()
            else:  # at first over few steps, or the random weights would weigh in it
                self.weights[name].lerp_(weights, max(1 - DECAY, 1 / (1 + progress.step / LOG_EVERY)))
        self.step = progress.step
        if progress.step % AVERAGED_EVERY == 0 or progress.step == progress.steps:
            with atomic_write(self.file) as partial:
                torch.save({"step": self.step, "weights": self.weights}, partial)

    def _keep(self, progress: Progress) -> None:
        folder = self.root / "film"
        folder.mkdir(exist_ok=True)
        name = f"{progress.step:06d}"
        with atomic_write(folder / f"{name}.pt") as partial:
            torch.save(progress.generator.state_dict(), partial)
        outputs = translate(progress.generator, self.sources)
        save_image(outputs / 255, folder / f"{name}.png", nrow=6, padding=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("facades", type=Path, help="the folder of the real facades")
    parser.add_argument("runs", type=Path, help="the folder of the runs")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(options.facades, jitter_size(CONFIG.image_size), "BtoA", "train")
    shown = read_pairs(options.facades, CONFIG.image_size, "BtoA", "val").source[:: 100 // SHOWN][:SHOWN]
    film = Film(shown, options.runs, CONFIG.epochs * len(pairs))
    train_lambda_path(pairs, config=CONFIG, root=options.runs, on_progress=film, leg=LEG)


if __name__ == "__main__":
    main()

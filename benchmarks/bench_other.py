"""Time of a training step, ours against the most used implementation's.

Run: python benchmarks/bench_other.py CLONE FACADES [--help]

CLONE is a folder with https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix, which needs the package dominate;
FACADES that of the real facades. Both train width 64 at 256 px by their own code and defaults, turn by turn, pairs
and losses included. On the CPU, since CLONE is told to use no GPU.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from pix2pix_colab.data import jitter_size, read_pairs
from pix2pix_colab.training import TrainConfig, Training


def theirs(clone: Path, facades: Path, folder: str) -> Callable[[], object]:
    """A step as in the loop of their train.py."""
    sys.path.insert(0, str(clone))
    options = {"dataroot": facades, "name": "bench", "checkpoints_dir": folder, "direction": "BtoA", "model": "pix2pix"}
    options |= {"gpu_ids": -1, "display_id": -1}
    sys.argv = ["train.py", *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    from data import create_dataset
    from models import create_model
    from options.train_options import TrainOptions

    parsed = TrainOptions().parse()
    batches, model = iter(create_dataset(parsed)), create_model(parsed)
    model.setup(parsed)

    def step() -> object:
        model.set_input(next(batches))
        model.optimize_parameters()
        return model.get_current_losses()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("facades", type=Path)
    parser.add_argument("--steps", type=int, default=6, help="a round, of each side; 7 rounds")
    options = parser.parse_args()
    pairs = read_pairs(options.facades, jitter_size(256), "BtoA", "train")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        training = Training(pairs, TrainConfig())
        sides = {"theirs": theirs(options.clone, options.facades, folder), "ours": training.advance}
        for number in range(8):
            for name, step in sides.items():
                begin = time.perf_counter()
                for _ in range(options.steps):
                    step()
                if number:  # the first round warms up
                    found.setdefault(name, []).append((time.perf_counter() - begin) / options.steps)
    ratio = statistics.median(a / b for a, b in zip(found["theirs"], found["ours"], strict=True))
    print(", ".join(f"{name} {1000 * statistics.median(times):.0f} ms" for name, times in found.items()))
    print(f"Ours is {ratio:.2f} times as fast ({training.dtype}; torch {torch.__version__}).")


if __name__ == "__main__":
    main()

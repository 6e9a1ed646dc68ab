"""The λ path against separate trainings. Run: python benchmarks/compare_path.py PAIRS RUNS [--help]

PAIRS is a data set's name, a folder with splits, or "synthetic". For each seed three ways are trained, with each λ:
the path; separate runs as long as its trunk (a); and separate runs of together at least the path's steps (b). For
long trainings, of which six would take a day, (c) is (a) for λ = 0 and L1 only. Everything is resumable, and what is
trained is not trained again. Other settings of the path, from the same trunk, can be chosen by --arms. A table of each
metric by way and λ is printed. "balanced", "shifted" and "both" are (a) with what is done against a grid of two pixels.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch

from pix2pix_colab import LAMBDAS, lambda_label, translate
from pix2pix_colab.data import Pairs, jitter_size, open_dataset, read_pairs, synthetic_facades
from pix2pix_colab.evaluation import METRICS, evaluate
from pix2pix_colab.training import (
    Progress,
    ProgressBar,
    Run,
    TrainConfig,
    load_checkpoint,
    read_run,
    save_checkpoint,
    sweep,
    train_lambda_path,
)
from pix2pix_colab.utils.markdown import markdown_table

SHOWN = (
    "l1",
    "psnr",
    "ssim",
    "sharpness",
    "gradient_distance",
    "grid",
    "colour_l",
    "colour_a",
    "colour_b",
    "pixel_accuracy",
    "class_accuracy",
    "class_iou",
)
VARIANTS = {
    "late 1": {"late_layers": 1},
    "late 2": {"late_layers": 2},
    "late 4": {"late_layers": 4},
    "late 7": {"late_layers": 7},
    "leg 1/2": {"leg": 1 / 2},
    "L1 only from 100": {"lambdas": (math.inf,)},
    "averaged": {"average": True},
}
AGAINST_GRID = {
    "balanced": {"balanced_layers": 3},
    "shifted": {"discriminator_shift": 1},
    "both": {"balanced_layers": 3, "discriminator_shift": 1},
}
AVERAGE = 0.98  # of the weights, every 20 steps: about 0.999 a step


def load(options: argparse.Namespace) -> tuple[Pairs, Pairs]:
    """Training pairs and those to measure on."""
    size = options.image_size
    if options.pairs == "synthetic":
        seed = {"val": 2, "test": 1}[options.split]
        return synthetic_facades(options.synthetic, jitter_size(size)), synthetic_facades(106, size, seed=seed)
    folder = open_dataset(options.pairs, "data")
    return read_pairs(folder, jitter_size(size), "BtoA", "train"), read_pairs(folder, size, "BtoA", options.split)[:]


def arms(options: argparse.Namespace, pairs: Pairs) -> dict[str, Callable[[TrainConfig, Path], dict[float, Run]]]:
    """What is compared: by name a function of settings and folder that trains a run for each λ."""

    def path(config: TrainConfig, root: Path, **changes: object) -> dict[float, Run]:
        lambdas, average = changes.pop("lambdas", options.lambdas), changes.pop("average", False)
        if root.name != "path":  # the variants have the path's trunk
            changes["start"] = train_lambda_path(pairs, (100,), config, root.parent / "path", ProgressBar())[100]
        averages = Averages()
        runs = train_lambda_path(pairs, lambdas, config, root, averages if average else ProgressBar(), **changes)
        return averages.save(runs, root / "averaged") if average else runs

    def separate(lambdas: tuple[float, ...] = options.lambdas, **changes: object) -> Callable[..., dict[float, Run]]:
        return lambda config, root: sweep(pairs, lambdas, replace(config, **changes), root, ProgressBar())

    ends = separate((LAMBDAS[0], LAMBDAS[-1]))
    ways = {"path": path, "a": separate(), "b": separate(epochs=options.equal_epochs), "c": ends}
    variants = {name: lambda c, root, v=v: path(c, root, **v) for name, v in VARIANTS.items()}
    chosen = ways | variants | {name: separate(**changes) for name, changes in AGAINST_GRID.items()}
    return {name: chosen[name] for name in options.arms}


class Averages:
    """Progress callback that averages the generator's weights over each training (EMA, anew for each λ)."""

    def __init__(self):
        self.weights: dict[float, dict[str, torch.Tensor]] = {}

    def __call__(self, progress: Progress) -> None:
        newest = {key: value.clone() for key, value in progress.generator.state_dict().items()}
        averages = self.weights.setdefault(progress.config.lambda_l1, newest)
        for key, value in newest.items():
            if value.is_floating_point():
                averages[key].lerp_(value, 1 - AVERAGE)

    def save(self, runs: dict[float, Run], root: Path) -> dict[float, Run]:
        """Save each run with the averaged weights, unless that was done before, and return those."""
        for k, run in runs.items():
            file = root / run.folder.name / "checkpoint.pt"
            if not file.exists():
                save_checkpoint(file, load_checkpoint(run.folder / "checkpoint.pt") | {"generator": self.weights[k]})
        return {k: read_run(root / run.folder.name) for k, run in runs.items()}


def measure_arm(runs: dict[float, Run], train_pairs: Pairs, pairs: Pairs, folder: Path) -> dict[str, dict[str, float]]:
    """Every metric of every λ: value and half its 95 % interval."""
    outputs = {k: translate(run.load_generator(), pairs.source) for k, run in runs.items()}
    report = evaluate(outputs, pairs, train_pairs, folder)
    return {
        key: {lambda_label(k): [i.value, (i.high - i.low) / 2] for k, i in row.items()}
        for key, row in report.intervals.items()
    }


def table(found: dict[str, dict], key: str) -> str:
    """One metric: a row for each way, each value the mean over the seeds ± half the distance of the seeds."""
    rows = []
    for name, seeds in found.items():
        row = {METRICS[key].name + " " + METRICS[key].better: name}
        for label in dict.fromkeys(label for each in found.values() for seed in each.values() for label in seed[key]):
            values = [each[key][label][0] for each in seeds.values() if label in each[key]]
            apart = f" ± {(max(values) - min(values)) / 2:.3f}" if len(values) > 1 else ""  # one seed has no distance
            row[label] = f"{mean(values):.3f}{apart}" if values else ""
        rows.append(row)
    return markdown_table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs")
    parser.add_argument("runs", type=Path)
    parser.add_argument(
        "--arms", nargs="+", default=["path", "a", "b"], help=f"or of c, {', '.join({**VARIANTS, **AGAINST_GRID})}"
    )
    parser.add_argument("--lambdas", type=float, nargs="+", default=LAMBDAS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=4, help="of the trunk, and of each long separate run")
    parser.add_argument(
        "--equal-epochs",
        type=int,
        default=2,
        help="of each short separate run; together no fewer steps than the path's",
    )
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--synthetic", type=int, default=200, help="training pairs of the synthetic facades")
    parser.add_argument("--split", default="test", choices=("val", "test"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_pairs, pairs = load(options)
    found: dict[str, dict] = {}
    for seed in options.seeds:
        config = TrainConfig(seed=seed, epochs=options.epochs, width=options.width, image_size=options.image_size)
        for name, train_arm in arms(options, train_pairs).items():
            root = options.runs / f"seed{seed}" / name.replace("/", "_").replace(" ", "_")
            begin = time.process_time()
            runs = train_arm(config, root)
            file = root / f"{options.split}.json"
            if not file.exists():
                print(f"{name}, seed {seed}: {time.process_time() - begin:.0f} CPU s in this process", flush=True)
                file.write_text(json.dumps(measure_arm(runs, train_pairs, pairs, options.runs)))
            found.setdefault(name, {})[seed] = json.loads(file.read_text())
    for key in SHOWN:
        if key in found[options.arms[0]][options.seeds[0]]:
            print(table(found, key), end="\n\n")


if __name__ == "__main__":
    main()

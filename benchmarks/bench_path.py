"""What a λ path costs, against whole trainings and whole generators. Run: python benchmarks/bench_path.py [--help]

The steps of the trunk and of its legs are timed in turn, and from them the time of all λ in trainings. Then test images
are translated by every λ: by the path, which computes the shared layers once, and by a whole generator for each λ.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from pix2pix_colab import LAMBDAS, LambdaPath, UNetGenerator, translate
from pix2pix_colab.data import jitter_size, synthetic_facades
from pix2pix_colab.training import TrainConfig, Training, path_configs

STEPS = 5  # per timing


def timings(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, in turn, so that what else the machine does slows all of them."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(each) for name, each in times.items()}


def bench_training(width: int, image_size: int, rounds: int) -> None:
    """Print the time of a step of the trunk and of the legs, and of the whole path in trunks."""
    pairs = synthetic_facades(8, jitter_size(image_size))
    trunk, down, up = path_configs(LAMBDAS, TrainConfig(width=width, image_size=image_size))
    configs = {
        "trunk": trunk,
        "leg": down[0],
        "leg to L1 only": up[-1],
        "whole, L1 only": replace(trunk, lambda_l1=math.inf),
    }

    def steps(training: Training) -> Callable[[], None]:
        return lambda: [training.advance() for _ in range(STEPS)]

    found = timings({name: steps(Training(pairs, config)) for name, config in configs.items()}, rounds)
    each = {name: 1000 * seconds / STEPS for name, seconds in found.items()}
    print(f"width {width}, {image_size} px, ms a step:", ", ".join(f"{name} {ms:.0f}" for name, ms in each.items()))
    legs = sum(c.epochs * each["leg to L1 only" if c.lambda_l1 == math.inf else "leg"] for c in down + up)
    separate = (len(LAMBDAS) - 1) * each["trunk"] + each["whole, L1 only"]
    print(
        f"all {len(LAMBDAS)} λ: path {1 + legs / trunk.epochs / each['trunk']:.2f} trainings, "
        f"separately {separate / each['trunk']:.2f}"
    )


def bench_translation(width: int, image_size: int, rounds: int) -> None:
    """Print the λ per second of one image."""
    generators = {k: UNetGenerator(width, image_size) for k in LAMBDAS}
    early = UNetGenerator(width, image_size)
    for generator in generators.values():
        generator.encoder.load_state_dict(early.encoder.state_dict())
        generator.decoder[:-3].load_state_dict(early.decoder[:-3].state_dict())
    path, source = LambdaPath(generators), synthetic_facades(1, image_size).source
    lambdas = path.grid()
    wholes = [path.generator(k) for k in lambdas]
    works = {
        "path": lambda: path.translate(source, lambdas),
        "whole generators": lambda: [translate(whole, source) for whole in wholes],
    }
    found = {name: len(lambdas) / seconds for name, seconds in timings(works, rounds).items()}
    shown = ", ".join(f"{name} {rate:.1f}" for name, rate in found.items())
    print(
        f"width {width}, {image_size} px, λ per second: {shown}: {found['path'] / found['whole generators']:.1f} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    for width in options.widths:
        bench_training(width, options.image_size, options.rounds)
        bench_translation(width, options.image_size, options.rounds)


if __name__ == "__main__":
    main()

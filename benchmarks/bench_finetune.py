"""How many steps trained weights save: training on synthetic facades from nothing, and from ``load_pretrained()``.

Run: python benchmarks/bench_finetune.py [--epochs 16] [--runs runs/bench-finetune]

The trainings have the same settings, pairs and order. They differ in the weights that they begin with: random ones; G
and D of the pretrained path, which has never seen a synthetic facade; or only its G. After each epoch the test pairs
are translated and, in the end, measured: the table has the values after 0, 64, 128, 256, … steps, of the three in this
order. Below it stands, for each metric, after how many steps they were as good as from nothing at its best.
"""

import argparse
from pathlib import Path

from torch import Tensor

from pix2pix_colab import LambdaPath, load_pretrained, translate
from pix2pix_colab.data import Pairs, synthetic_facades
from pix2pix_colab.evaluation import METRICS, evaluate
from pix2pix_colab.training import Progress, TrainConfig, train
from pix2pix_colab.utils.markdown import markdown_table

SHOWN = {"l1": min, "ssim": max, "pixel_accuracy": max, "class_iou": max}  # and which value is the best
ARMS = ("nothing", "G and D", "G")  # what each training starts from
Values = dict[str, dict[int, float]]  # of a metric, after a number of steps


def outputs_by_step(
    pairs: Pairs, source: Tensor, config: TrainConfig, folder: Path, start: LambdaPath | None
) -> dict[int, Tensor]:
    """What the generator makes of the sources, before the first step and after each epoch."""
    found: dict[int, Tensor] = {}

    def translate_now(progress: Progress) -> None:
        found[progress.step] = translate(progress.generator, source)

    train(pairs, config, folder, translate_now, log_every=len(pairs), start=start)
    return found


def table(found: list[Values]) -> str:
    rows, steps = [], list(found[0]["l1"])
    for step in steps:
        if step.bit_count() <= 1 or step == steps[-1]:  # 0, and those that double
            cells = {
                f"{METRICS[key].name} {METRICS[key].better}": " · ".join(f"{each[key][step]:.3f}" for each in found)
                for key in SHOWN
            }
            rows.append({"steps": f"{step:,}"} | cells)
    return markdown_table(rows)


def compare(key: str, found: list[Values]) -> str:
    """After how many steps each start is as good as random weights at their best."""
    best, reached = SHOWN[key], []
    goal = best(found[0][key].values())
    for name, values in zip(ARMS, found, strict=True):
        steps = [step for step, value in values[key].items() if best(value, goal) == value]
        reached.append(f"{name} {f'after {steps[0]:,} steps' if steps else 'never'}")
    return f"{METRICS[key].name} {goal:.3f}: {', '.join(reached)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-finetune"), help="must not hold runs yet")
    options = parser.parse_args()
    if options.runs.exists():
        parser.error(f"{options.runs} is there already: delete it, or choose another folder by --runs.")
    pairs, test_pairs = synthetic_facades(64, 286), synthetic_facades(24, seed=1)
    config, found = TrainConfig(width=32, epochs=options.epochs), []
    for name in ARMS:
        path = None if name == "nothing" else load_pretrained()
        if name == "G":
            path.discriminator = None
        outputs = outputs_by_step(pairs, test_pairs.source, config, options.runs / name, path)
        report = evaluate(outputs, test_pairs, pairs, options.runs)
        found.append({key: {step: float(m.value) for step, m in report.measured[key].items()} for key in SHOWN})
    print(" · ".join(ARMS), table(found), "\n".join(compare(key, found) for key in SHOWN), sep="\n\n")


if __name__ == "__main__":
    main()

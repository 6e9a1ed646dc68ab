"""How many steps trained weights save: training on synthetic facades from them, and from nothing.

Run: python benchmarks/bench_finetune.py [--epochs 16] [--runs runs/bench-finetune]

Both trainings have the same settings, pairs and order, and differ only in the weights they begin with: random ones, or
those of ``load_pretrained()``, which has never seen a synthetic facade. After each epoch the test pairs are translated
and, in the end, measured: the table has the values after 0, 64, 128, 256, … steps. Below it stands, for each metric,
after how many steps the training from trained weights was as good as the one from nothing at its best.
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


def table(nothing: Values, trained: Values) -> str:
    rows = []
    for step in nothing["l1"]:
        if step.bit_count() <= 1 or step == max(nothing["l1"]):  # 0, and those that double
            cells = {f"{METRICS[key].name} {METRICS[key].better}": key for key in SHOWN}
            both = {name: f"{nothing[key][step]:.3f} · {trained[key][step]:.3f}" for name, key in cells.items()}
            rows.append({"steps": f"{step:,}"} | both)
    return markdown_table(rows)


def compare(key: str, nothing: Values, trained: Values) -> str:
    """After how many steps trained weights are as good as random ones at their best."""
    goal = SHOWN[key](nothing[key].values())
    at = next(step for step, value in nothing[key].items() if value == goal)
    reached = [step for step, value in trained[key].items() if SHOWN[key](value, goal) == value]
    words = f"after {reached[0]:,} steps" if reached else "never"
    return f"{METRICS[key].name}: {goal:.3f} from nothing, after {at:,} steps; from trained weights {words}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-finetune"), help="must not hold runs yet")
    options = parser.parse_args()
    if options.runs.exists():
        parser.error(f"{options.runs} is there already: delete it, or choose another folder by --runs.")
    pairs, test_pairs = synthetic_facades(64, 286), synthetic_facades(24, seed=1)
    config, found = TrainConfig(width=32, epochs=options.epochs), []
    for name, start in (("nothing", None), ("trained", load_pretrained())):
        outputs = outputs_by_step(pairs, test_pairs.source, config, options.runs / name, start)
        report = evaluate(outputs, test_pairs, pairs, options.runs)
        found.append({key: {step: float(m.value) for step, m in report.measured[key].items()} for key in SHOWN})
    print("from nothing · from trained weights\n", table(*found), *(compare(key, *found) for key in SHOWN), sep="\n")


if __name__ == "__main__":
    main()

"""What an exported λ path costs, by how its weights are stored. Run: python benchmarks/bench_export.py [PATH] [--help]

PATH is the folder of a λ path's runs, trained on label maps of facades. Without one, a small path is trained in
--runs on the first call. Synthetic label maps are translated at every anchor by PyTorch and by onnxruntime. One table
has the size of the files, the difference to PyTorch in levels of 255, and times. The other has the metrics against the
targets, averaged over the anchors, and in brackets the largest shift of one anchor's metric from PyTorch's.
onnxruntime has one thread.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from pix2pix_colab import LambdaPath
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.evaluation import METRICS, measure
from pix2pix_colab.export import WEIGHTS, export_onnx, export_parts, read_network
from pix2pix_colab.training import ProgressBar, TrainConfig, train_lambda_path
from pix2pix_colab.utils.markdown import markdown_table

T = TypeVar("T")
SHOWN = ("l1", "ssim", "sharpness")


def load(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


class Exported:
    """A path that was exported with one kind of weights, and the times of its runs."""

    def __init__(self, path: LambdaPath, weights: str, folder: Path):
        file = export_onnx(path, folder / "whole.onnx", weights=weights)
        parts = export_parts(path, folder, weights=weights)
        self.megabytes = file.stat().st_size / 1e6
        self.ms: dict[str, list[float]] = {}
        self.whole = self._timed("loading", lambda: load(file))
        self.early, self.late = map(load, parts)
        self.names = [each.name for each in self.early.get_outputs()]

    def translate(self, image: Tensor, anchors: int) -> Tensor:
        """The outputs at all anchors by the two parts, (anchors, C, H, W). The whole file is only timed."""
        source, between = {"source": image[None].numpy()}, {"position": np.array([0.5], np.float32)}
        self._timed("an image", lambda: self.whole.run(None, source | between))
        features = dict(
            zip(self.names, self._timed("early layers", lambda: self.early.run(self.names, source)), strict=True)
        )
        outputs = []
        for i in range(anchors):
            given = features | {"position": np.array([i], np.float32)}
            outputs += self._timed("late layers", lambda given=given: self.late.run(None, given))
        return torch.from_numpy(np.concatenate(outputs))

    def _timed(self, name: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = work()
        self.ms.setdefault(name, []).append(1000 * (time.perf_counter() - began))
        return result


def metrics_of(outputs: Tensor, target: Tensor) -> Tensor:
    """Values of the shown metrics, (anchors, metrics)."""
    measured = [measure(output, target) for output in outputs]
    return torch.tensor([[float(each[key].value) for key in SHOWN] for each in measured], dtype=torch.float64)


def metrics_row(name: str, values: Tensor, baseline: Tensor) -> dict[str, str]:
    shifts = (values - baseline).abs().amax(0)
    shown = [f"{value:.4f} ({shift:.4f})" for value, shift in zip(values.mean(0), shifts, strict=True)]
    return {"weights": name} | {
        f"{METRICS[key].name} {METRICS[key].better}": each for key, each in zip(SHOWN, shown, strict=True)
    }


def costs_row(weights: str, exported: Exported, outputs: Tensor, expected: Tensor) -> dict[str, str]:
    difference = (outputs.int() - expected.int()).abs()
    row = {"weights": weights, "MB": f"{exported.megabytes:.1f}"}
    row |= {"mean difference": f"{difference.float().mean():.3f}", "largest": f"{difference.max()}"}
    return row | {f"{name}, ms": f"{statistics.median(times):.0f}" for name, times in exported.ms.items()}


def bench(path: LambdaPath, images: int) -> None:
    """Print both tables."""
    size, count = path.anchors[0].image_size, len(path.anchors)
    pairs = synthetic_facades(images, size, seed=1)
    expected = torch.stack(list(path.translate(pairs.source, path.lambdas).values()))  # (anchors, N, C, H, W)
    found: dict[str, list[Tensor]] = {weights: [] for weights in WEIGHTS}
    with tempfile.TemporaryDirectory() as folder:
        exported = {weights: Exported(path, weights, Path(folder)) for weights in WEIGHTS}
    for image in pairs.source:
        for weights in WEIGHTS:  # in turn, so that what else the machine does slows all of them
            found[weights].append(exported[weights].translate(image, count))
    outputs = {weights: torch.stack(each, dim=1) for weights, each in found.items()}
    baseline = metrics_of(expected, pairs.target)
    costs = [costs_row(weights, exported[weights], outputs[weights], expected) for weights in WEIGHTS]
    measured = {weights: metrics_of(outputs[weights], pairs.target) for weights in WEIGHTS}
    rows = [metrics_row(name, values, baseline) for name, values in ({"PyTorch": baseline} | measured).items()]
    print(f"{size} px, {count} anchors, {path.late_layers} late layers, {images} label maps\n")
    print(markdown_table(costs), markdown_table(rows), sep="\n\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", help="default: a small path, trained in --runs")
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-export"))
    parser.add_argument("--images", type=int, default=24)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.path:
        config = TrainConfig(width=16, epochs=9)
        train_lambda_path(synthetic_facades(64, 286), config=config, root=options.runs, on_progress=ProgressBar())
    network = read_network(options.path or options.runs)
    assert isinstance(network, LambdaPath), f"{options.path} holds one run, not those of a λ path."
    bench(network, options.images)


if __name__ == "__main__":
    main()

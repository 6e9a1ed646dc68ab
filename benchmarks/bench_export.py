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
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from pix2pix_colab import LambdaPath
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.evaluation import METRICS, measure
from pix2pix_colab.export import WEIGHTS, export_onnx, export_parts, read_network
from pix2pix_colab.training import ProgressBar, TrainConfig, lambda_path
from pix2pix_colab.utils.markdown import markdown_table

SHOWN = ("l1", "ssim", "sharpness")


def load(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def milliseconds(began: float) -> float:
    return 1000 * (time.perf_counter() - began)


def translate_by_parts(
    files: tuple[Path, Path], source: Tensor, anchors: int
) -> tuple[list[Tensor], list[float], list[float]]:
    """Outputs of each anchor, and the ms of each run of the early and of the late layers."""
    early, late = map(load, files)
    names = [each.name for each in early.get_outputs()]
    outputs, early_times, late_times = [[] for _ in range(anchors)], [], []
    for image in source:
        began = time.perf_counter()
        features = dict(zip(names, early.run(names, {"source": image[None].numpy()}), strict=True))
        early_times.append(milliseconds(began))
        for i in range(anchors):
            began = time.perf_counter()
            (output,) = late.run(None, features | {"position": np.array([i], np.float32)})
            late_times.append(milliseconds(began))
            outputs[i].append(torch.from_numpy(output))
    return [torch.cat(each) for each in outputs], early_times, late_times


def time_whole(file: Path, source: Tensor) -> tuple[float, list[float]]:
    """The ms to load the file, and of each image at a position between two anchors."""
    began, times = time.perf_counter(), []
    session = load(file)
    loading = milliseconds(began)
    for image in source:
        began = time.perf_counter()
        session.run(None, {"source": image[None].numpy(), "position": np.array([0.5], np.float32)})
        times.append(milliseconds(began))
    return loading, times


def metrics_of(outputs: list[Tensor], target: Tensor) -> Tensor:
    """Values of the shown metrics, (anchors, metrics)."""
    measured = [measure(output, target) for output in outputs]
    return torch.tensor([[float(each[key].value) for key in SHOWN] for each in measured], dtype=torch.float64)


def metrics_row(name: str, values: Tensor, baseline: Tensor) -> dict[str, str]:
    shifts = (values - baseline).abs().amax(0)
    shown = [f"{value:.4f} ({shift:.4f})" for value, shift in zip(values.mean(0), shifts, strict=True)]
    return {"weights": name} | {
        f"{METRICS[key].name} {METRICS[key].better}": each for key, each in zip(SHOWN, shown, strict=True)
    }


def bench(path: LambdaPath, images: int) -> None:
    """Print both tables."""
    size, count = path.anchors[0].image_size, len(path.anchors)
    pairs = synthetic_facades(images, size, seed=1)
    expected = list(path.translate(pairs.source, path.lambdas).values())
    baseline = metrics_of(expected, pairs.target)
    costs, metrics = [], [metrics_row("PyTorch", baseline, baseline)]
    for weights in WEIGHTS:
        with tempfile.TemporaryDirectory() as folder:
            whole = export_onnx(path, Path(folder) / "whole.onnx", weights=weights)
            loading, whole_times = time_whole(whole, pairs.source)
            parts = export_parts(path, folder, weights=weights)
            outputs, *part_times = translate_by_parts(parts, pairs.source, count)
            megabytes = whole.stat().st_size / 1e6
        difference = (torch.stack(outputs).int() - torch.stack(expected).int()).abs()
        ms = (f"{statistics.median(times):.0f}" for times in (whole_times, *part_times))
        costs.append(
            {"weights": weights, "MB": f"{megabytes:.1f}"}
            | {"mean difference": f"{difference.float().mean():.3f}", "largest": f"{difference.max()}"}
            | {"loading, ms": f"{loading:.0f}"}
            | dict(zip(("an image, ms", "early layers, ms", "late layers, ms"), ms, strict=True))
        )
        metrics.append(metrics_row(weights, metrics_of(outputs, pairs.target), baseline))
    print(f"{size} px, {count} anchors, {path.late_layers} late layers, {images} label maps\n")
    print(markdown_table(costs), markdown_table(metrics), sep="\n\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", help="default: a small path, trained in --runs")
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-export"))
    parser.add_argument("--images", type=int, default=24)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.path:
        config = TrainConfig(width=16, epochs=9)
        lambda_path(synthetic_facades(64, 286), config=config, root=options.runs, on_progress=ProgressBar())
    network = read_network(options.path or options.runs)
    assert isinstance(network, LambdaPath), f"{options.path} holds one run, not those of a λ path."
    bench(network, options.images)


if __name__ == "__main__":
    main()

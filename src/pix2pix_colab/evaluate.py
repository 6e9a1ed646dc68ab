"""The evaluation of a sweep: all metrics of all λ, on pairs that none of them has seen."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from .arguments import add_pairs, pairs_of
from .device import default_device
from .intervals import Interval
from .labels import class_accuracy, class_iou, confusion, pixel_accuracy, read_labels, train_segmenter
from .metrics import Measurement, measure
from .pairs import Pairs, jitter_size
from .perceptual import kid, lpips
from .report import Report
from .sweep import read_sweep
from .tables import markdown_table
from .translate import translate

KID_IMAGES = 50  # of fewer, its error is as large as the differences between λ
LABEL_FIGURES = {"pixel_accuracy": pixel_accuracy, "class_accuracy": class_accuracy, "class_iou": class_iou}


def evaluate(
    outputs: Mapping[float, Tensor],
    pairs: Pairs,
    train_pairs: Pairs | None = None,
    folder: str | Path = "runs",
    device: torch.device | str | None = None,
) -> Report:
    """Measure what each λ made of the sources of some pairs.

    A metric that can't be had (of sources that are no label maps; without a network for the weights of LPIPS and KID)
    is left out, and the report says why.

    Args:
        outputs: for each λ uint8 (N, C, S, S).
        pairs: the N pairs.
        train_pairs: what the net learns from that reads labels off photos.
        folder: where that net is kept, so that it is trained once.
        device: where the nets of the metrics run; the GPU if there is one.

    Raises:
        ValueError: if outputs and targets differ in shape.
    """
    device = torch.device(device or default_device())
    found = {k: measure(output, pairs.target) for k, output in outputs.items()}
    photos, kids, missing = {}, {}, {}
    try:
        read = _label_reader(pairs.source, train_pairs, Path(folder), device)
        photos = read(pairs.target)
        found = {k: values | read(outputs[k]) for k, values in found.items()}
    except ValueError as error:
        missing |= dict.fromkeys(LABEL_FIGURES, str(error))
    try:
        distances = {k: Measurement(lpips(output, pairs.target, device)) for k, output in outputs.items()}
        found = {k: values | {"lpips": distances[k]} for k, values in found.items()}
    except (ConnectionError, ValueError) as error:
        missing["lpips"] = str(error)
    try:
        if len(pairs) < KID_IMAGES:
            raise ValueError(f"KID compares sets of images, and {len(pairs)} are too few: take {KID_IMAGES} or more.")
        for k, (mean, spread) in kid(outputs, pairs.target, device).items():
            kids[k] = Interval(1000 * mean, 1000 * (mean - 1.96 * spread), 1000 * (mean + 1.96 * spread))
    except (ConnectionError, ValueError) as error:
        missing["kid"] = str(error)
    measured = {key: {k: values[key] for k, values in found.items()} for key in next(iter(found.values()))}
    return Report(len(pairs), measured, photos, kids, missing)


def _label_reader(source: Tensor, train_pairs: Pairs | None, folder: Path, device: torch.device):
    """A function that measures how well the labels of ``source`` can be read off images, (N, 3, S, S)."""
    labels = read_labels(source)
    if train_pairs is None:
        raise ValueError("There are no training pairs, from which a net could learn to read labels off photos.")
    segmenter = train_segmenter(train_pairs, folder / "segmenter.pt", device)

    def read(images: Tensor) -> dict[str, Measurement]:
        seen = confusion(segmenter, images, labels)
        return {key: Measurement(seen.float(), figure) for key, figure in LABEL_FIGURES.items()}

    return read


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m pix2pix_colab.evaluate PAIRS RUNS``: the tables of a sweep, measured on any pairs.

    With ``--split test`` the training split teaches a net to read labels, and the report has those metrics, too.
    """
    parser = argparse.ArgumentParser(prog="python -m pix2pix_colab.evaluate", description=main.__doc__)
    add_pairs(parser)
    parser.add_argument("runs", type=Path, help="where a sweep left its runs")
    options = parser.parse_args(arguments)
    runs, device = read_sweep(options.runs), default_device()
    config = next(iter(runs.values())).config
    channels = config.source_channels, config.target_channels
    pairs, train_pairs = pairs_of(options, config.image_size, *channels).to(device), None
    if options.split in ("val", "test"):
        with suppress(ValueError):  # they are no label maps, and 50,000 pairs need not be read; or there is no train
            read_labels(pairs.source[:1])
            options.split = "train"
            train_pairs = pairs_of(options, jitter_size(config.image_size), *channels)
    outputs = {k: translate(run.load_generator(device), pairs.source) for k, run in runs.items()}
    report = evaluate(outputs, pairs, train_pairs, options.runs, device)
    print(report.table(), *filter(None, map(report.difference_table, report.measured)), sep="\n\n")
    if claims := report.claims():
        print(f"\n{markdown_table(claims)}")


if __name__ == "__main__":
    main()

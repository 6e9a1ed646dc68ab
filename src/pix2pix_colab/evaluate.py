"""How good a trained generator is by four figures, and its outputs as frames of a slider."""

import argparse
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchvision.transforms.functional import to_pil_image

from .arguments import add_pairs, pairs_of
from .device import default_device
from .lambdas import lambda_label
from .pairs import to_float
from .sweep import read_sweep
from .tables import markdown_table
from .translate import translate


class Scores(NamedTuple):
    """How near outputs come to their targets, one value an image, each a float32 (N,)."""

    l1: Tensor  # mean |target - output| on the scale [-1, 1], as in training; 0 is equal
    psnr: Tensor  # peak signal-to-noise ratio in dB; higher is nearer
    ssim: Tensor  # structural similarity (Wang et al. 2004); 1 is equal
    sharpness: Tensor  # mean gradient magnitude, as a multiple of the targets' mean; 1 is as sharp as photos


def score(output: Tensor, target: Tensor) -> Scores:
    """Measure outputs against their targets, both uint8 (N, 3, H, W) or both (N, 1, H, W).

    Raises:
        ValueError: if they differ in shape, or there is none.
    """
    if output.shape != target.shape or not len(output):
        raise ValueError(f"{tuple(output.shape)} outputs can't be measured against {tuple(target.shape)} targets.")
    ours, theirs = to_float(output), to_float(target)
    grey_values = output.float(), target.float()  # SSIM compares means, so it is defined on [0, 255], not on [-1, 1]
    return Scores(
        l1=(ours - theirs).abs().mean(dim=(1, 2, 3)),
        psnr=peak_signal_noise_ratio(ours, theirs, data_range=2.0, reduction="none", dim=(1, 2, 3)),
        ssim=structural_similarity_index_measure(*grey_values, data_range=255.0, reduction="none"),
        sharpness=gradient_magnitude(ours) / gradient_magnitude(theirs).mean(),
    )


def gradient_magnitude(images: Tensor) -> Tensor:
    """Mean length of the grey-value gradient (forward differences) of float (N, C, H, W): (N,)."""
    grey = images.mean(dim=1)
    dy, dx = grey.diff(dim=1)[:, :, :-1], grey.diff(dim=2)[:, :-1]
    return torch.hypot(dx, dy).mean(dim=(1, 2))


def encode_frames(source: Tensor, outputs: Mapping[float, Tensor], target: Tensor) -> dict[float, list[bytes]]:
    """The frames of a ``LambdaSlider``: for each λ and image one JPEG of source | output | target side by side.

    Each is uint8 (N, 3, S, S), or (N, 1, S, S) in grey. JPEG is for looking only; metrics are taken from the tensors.
    """
    return {
        lambda_l1: [_encode(images) for images in zip(source, output, target, strict=True)]
        for lambda_l1, output in outputs.items()
    }


def _encode(images: Sequence[Tensor]) -> bytes:
    """uint8 (C, H, W) each, side by side, as a JPEG of full colour resolution: the edges of label maps stay sharp."""
    image = torch.cat([each.expand(3, -1, -1) for each in images], dim=-1)
    buffer = io.BytesIO()
    to_pil_image(image.cpu()).save(buffer, "JPEG", quality=80, subsampling=0)
    return buffer.getvalue()


def score_table(scores: Mapping[float, Scores]) -> str:
    """The scores per λ as a Markdown table: mean ± standard deviation over the images."""
    rows = []
    for lambda_l1, values in scores.items():
        cells = {name: f"{v.mean():.3f} ± {v.std(correction=0):.3f}" for name, v in values._asdict().items()}
        rows.append({"": lambda_label(lambda_l1)} | cells | {"images": len(values.l1)})
    return markdown_table(rows)


def score_line(scores: Scores) -> str:
    """The mean scores in one line."""
    l1, psnr, ssim, sharpness = (values.mean() for values in scores)
    mean = f"mean of {len(scores.l1)} test images"
    return f"L1 {l1:.3f} · PSNR {psnr:.1f} dB · SSIM {ssim:.2f} · sharpness {sharpness:.2f} × the photos' ({mean})"


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m pix2pix_colab.evaluate PAIRS RUNS``: the table of a sweep, measured on any pairs."""
    parser = argparse.ArgumentParser(prog="python -m pix2pix_colab.evaluate", description=main.__doc__)
    add_pairs(parser)
    parser.add_argument("runs", type=Path, help="where a sweep left its runs")
    options = parser.parse_args(arguments)
    runs, device = read_sweep(options.runs), default_device()
    config = next(iter(runs.values())).config
    pairs = pairs_of(options, config.image_size, config.source_channels, config.target_channels).to(device)
    print(
        score_table(
            {k: score(translate(r.load_generator(device), pairs.source), pairs.target) for k, r in runs.items()}
        )
    )


if __name__ == "__main__":
    main()

"""Put a λ path into the package as its pretrained weights: `python tools/save_pretrained.py RUNS`.

RUNS is the folder of its runs. Beside the weights, what they make of some label maps is recorded in tests/pretrained/:
a test compares. Commit weights once, when they are final, since each version stays in the history for good.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from pix2pix_colab import LambdaPath, load_pretrained, save_pretrained
from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.lambda_path import PRETRAINED
from pix2pix_colab.training import read_lambda_path

FILE = PRETRAINED["facades"]
RECORDED = Path(__file__).parents[1] / "tests/pretrained"
LAMBDAS = (0, 30, 100, float("inf"))  # that are recorded, side by side; 30 is interpolated
COUNT, SEED = 2, 7  # label maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, help="the folder of the runs of a λ path")
    try:
        save_pretrained(read_lambda_path(parser.parse_args().runs), FILE)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    record(load_pretrained(), RECORDED)
    print(f"{FILE}: {FILE.stat().st_size / 1e6:.2f} MB")


def record(path: LambdaPath, folder: Path) -> None:
    """Write label maps, and for each the strip of what is made of it, without loss."""
    folder.mkdir(exist_ok=True)
    sources = synthetic_facades(COUNT, path.anchors[0].image_size, SEED).source
    for i, (source, strip) in enumerate(zip(sources, strips(path, sources), strict=True), start=1):
        to_pil_image(source).save(folder / f"label_map_{i}.webp", lossless=True)
        to_pil_image(strip).save(folder / f"outputs_{i}.webp", lossless=True, method=6)


def strips(path: LambdaPath, sources: Tensor, seed: int = 0) -> Tensor:
    """The outputs of all ``LAMBDAS`` side by side, uint8 (N, 3, S/2, 2 S): at half the size, a quarter of the bytes."""
    outputs = torch.cat(list(path.translate(sources, LAMBDAS, seed).values()), dim=3)
    return torch.nn.functional.avg_pool2d(outputs.float(), 2).round().to(torch.uint8)


if __name__ == "__main__":
    main()

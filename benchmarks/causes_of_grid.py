"""What causes a grid of two pixels. Run: python benchmarks/causes_of_grid.py FACADES [PATH]

FACADES is the folder of the real facades, PATH a saved λ path, or nothing for the pretrained weights. Its generators
translate validation pairs as they are, and with one suspect changed at a time. Printed are the peak of the grid, and
how far the outputs move, in levels.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pix2pix_colab import UNetGenerator, lambda_label, load_pretrained, translate
from pix2pix_colab.data import read_pairs
from pix2pix_colab.evaluation import grid_peak
from pix2pix_colab.utils.markdown import markdown_table

LAMBDAS = (0, 100, math.inf)
BORDER = 24  # px


def balance(late: int) -> Callable[[UNetGenerator], None]:
    return lambda generator: generator.balance_phases(late)


@torch.no_grad()
def equal_sums(generator: UNetGenerator) -> None:
    """Give the four phases of the last layer equal sums, but not those of single rows and columns."""
    weight = generator.decoder[-1][1].weight
    phases = weight.unflatten(3, (2, 2)).unflatten(2, (2, 2))  # (in, out, 2, row's parity, 2, column's)
    sums = phases.sum(dim=(2, 4), keepdim=True)
    phases += (sums.mean(dim=(3, 5), keepdim=True) - sums) / 4


def no_dropout(generator: UNetGenerator) -> None:
    for module in generator.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def blurred_skip(generator: UNetGenerator) -> None:
    """Blur the last skip connection, which may carry the encoder's aliasing, over two pixels."""
    join, size = generator._join, generator.image_size // 2

    def blur(skip: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(nn.functional.pad(skip, (0, 1, 0, 1), mode="replicate"), 2, stride=1)

    generator._join = lambda x, skip: join(x, blur(skip) if skip.shape[-1] == size else skip)


SUSPECTS = {
    "as it is": lambda generator: None,
    "no dropout": no_dropout,
    "last skip blurred": blurred_skip,
    "last layer: four equal sums": equal_sums,
    "last layer: rows and columns balanced": balance(1),
    "last three layers: rows and columns balanced": balance(3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facades", type=Path)
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=24)
    options = parser.parse_args()
    pairs = read_pairs(options.facades, 256, "BtoA", "val")[: options.images]
    rows = {name: {f"{len(pairs)} images": name} for name in SUSPECTS}
    for k in LAMBDAS:
        before = None
        for name, change in SUSPECTS.items():
            generator = (load_pretrained(options.path) if options.path else load_pretrained()).generator(k)
            change(generator)
            output = translate(generator, pairs.source)
            before = output if before is None else before
            inside = grid_peak(output[:, :, BORDER:-BORDER, BORDER:-BORDER]).mean()
            moved = (output.float() - before.float()).abs().mean()
            rows[name] |= {lambda_label(k): f"{grid_peak(output).mean():.2f}, {inside:.2f}, {moved:.1f}"}
    print(f"Peak, peak without a border of {BORDER} px, levels moved; targets {grid_peak(pairs.target).mean():.2f}\n")
    print(markdown_table(list(rows.values())))


if __name__ == "__main__":
    main()

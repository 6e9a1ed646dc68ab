"""How many pairs a second our pipeline delivers, against the textbook's. Run: python benchmarks/bench_data.py [--help]

Both sides deliver one pair at a time, on the CPU: jittered, mirrored, float in [-1, 1], the same pixels.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import functional as F

from pix2pix_colab.data import JITTER_SIZE, Pairs, read_pairs, synthetic_facades
from pix2pix_colab.utils.images import is_image, to_uint8

CROP = 256  # px
WORKERS = (0, 2, 4)
TARGET = 40  # times the pairs a second of each textbook loader


class TextbookPairs(Dataset):
    """The usual data set: each time it is asked for a pair, it decodes the file and resizes both halves."""

    def __init__(self, folder: str | Path):
        self.files = sorted(filter(is_image, Path(folder).iterdir()))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        """Source (the right half) and target (the left), each float32 (3, 256, 256) in [-1, 1]."""
        down, right, turn = torch.rand(3).tolist()
        y, x = (int(part * (JITTER_SIZE - CROP + 1)) for part in (down, right))
        image = Image.open(self.files[row]).convert("RGB")
        middle, images = image.width // 2, []
        for left in (middle, 0):
            half = F.crop(image, 0, left, image.height, middle)
            half = F.crop(F.resize(half, [JITTER_SIZE] * 2, F.InterpolationMode.BICUBIC), y, x, CROP, CROP)
            half = F.hflip(half) if turn < 0.5 else half
            images.append(F.normalize(F.to_tensor(half), [0.5] * 3, [0.5] * 3))
        return images[0], images[1]


def write_facades(folder: Path, count: int = 100) -> None:
    """Draw facades into a folder, as the real ones come: JPEGs of 512×256 px, the photo left, its labels right."""
    pairs = synthetic_facades(count, size=256)
    for source, target, name in zip(pairs.source, pairs.target, pairs.names, strict=True):
        image = torch.cat([target, source], dim=-1).permute(1, 2, 0).numpy()  # (256, 512, 3)
        Image.fromarray(image).save(folder / f"{name}.jpg", quality=95)


def endless(data: TextbookPairs | Pairs) -> RandomSampler:
    """Epoch after epoch, each shuffled, without a pause between them, in which loaders would have to start anew."""
    return RandomSampler(data, num_samples=10**9)


def assert_same_pixels(theirs: TextbookPairs, ours: Pairs) -> None:
    """Every tenth pair has the same pixels, jittered and mirrored by the same seed: both draw in the same order."""
    for i in range(0, len(theirs), 10):
        row = ours.names.index(theirs.files[i].name)
        batch = torch.cat(ours.batch([row], CROP, torch.Generator().manual_seed(i)))
        torch.manual_seed(i)
        assert torch.equal(to_uint8(batch), to_uint8(torch.stack(theirs[i]))), (
            f"{theirs.files[i]}: ours differs from resizing each time."
        )


def our_batches(pairs: Pairs) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one pair, as the training takes them."""
    random = torch.Generator().manual_seed(0)
    for row in endless(pairs):
        yield pairs.batch([row], CROP, random)


def rate(batches: Iterator, seconds: float) -> float:
    """Pairs a second, once the loader's workers are up and what they had fetched ahead is used."""
    for _ in range(20):
        next(batches)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(batches)
        count += 1
    return count / (time.perf_counter() - start)


def measure(variants: dict[str, Iterator], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Pairs a second of each variant in each round, all in turn: what slows the machine down slows all of them."""
    rates = {name: [] for name in variants}
    for _ in range(rounds):
        for name, batches in variants.items():
            rates[name].append(rate(batches, seconds))
            time.sleep(0.1)  # its workers fetch ahead and fall silent
    return rates


def table(rates: dict[str, list[float]]) -> str:
    """A Markdown table: medians over the rounds, of the rates and of their ratios."""
    lines = ["| pipeline | pairs/s | ours is |", "|---|---|---|"]
    for name, theirs in rates.items():
        ratio = statistics.median(a / b for a, b in zip(rates["ours"], theirs, strict=True))
        lines.append(f"| {name} | {statistics.median(theirs):,.0f} | {'' if name == 'ours' else f'{ratio:.1f} ×'} |")
    return "\n".join(lines)


@contextmanager
def folder_of_pairs(given: Path | None) -> Iterator[Path]:
    """The folder that was given, or one of drawn facades, deleted in the end."""
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as temporary:
        write_facades(Path(temporary))
        yield Path(temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of side-by-side pairs; without it, 100 drawn facades")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each variant in each round")
    parser.add_argument("--threads", type=int, help="of torch: 1 on a busy machine, where they wait for each other")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    warnings.filterwarnings("ignore", "This DataLoader will create")  # 4 workers on 2 cores are meant

    with folder_of_pairs(options.folder) as folder:
        theirs, ours = TextbookPairs(folder), read_pairs(folder)
        assert_same_pixels(theirs, ours)
        variants = {"ours": our_batches(ours)}
        for workers in WORKERS:
            loader = DataLoader(theirs, batch_size=1, sampler=endless(theirs), num_workers=workers)
            variants[f"textbook, {workers} workers"] = iter(loader)
        rates = measure(variants, options.rounds, options.seconds)
    print(f"{len(ours)} pairs, the same pixels from all; torch {torch.__version__}; {os.cpu_count()} cores, ", end="")
    print(f"torch takes {torch.get_num_threads()}; medians of {options.rounds} rounds\n\n{table(rates)}\n")
    print(f"Target: {TARGET} × or more against each.")


if __name__ == "__main__":
    main()

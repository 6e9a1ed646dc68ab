"""Pairs a second of our pipeline, against the baseline's. Run: python benchmarks/bench_data.py [--help]

All deliver batches on the CPU: jittered, mirrored, float in [-1, 1], the same pixels. The baseline decodes each pair
anew in the workers of a DataLoader. Ours holds them in memory, or, if they are larger than that, decodes them ahead by
threads (streamed), with nothing else to do for the cores.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from unittest import mock

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import functional as F

from pix2pix_colab.data import JITTER_SIZE, Pairs, StreamedPairs, pair_files, read_pairs, synthetic_facades
from pix2pix_colab.training.step import AHEAD
from pix2pix_colab.utils.images import is_image, to_uint8

CROP = 256  # px
WORKERS = (0, 2, 4)
TARGET = 40  # times the pairs a second of each baseline loader, in memory
NEEDED = """What a step needs at width 64, 256 px and batch 1: 3 to 4 pairs/s on two CPU cores (295 ms, bench_step.py),
40 to 50 pairs/s on a T4 (20 to 24 ms, an estimate). A streamed training only waits if it needs more than above."""


class BaselinePairs(Dataset):
    """The usual data set, which decodes the file and resizes both halves each time."""

    def __init__(self, folder: str | Path):
        self.files = sorted(filter(is_image, Path(folder).iterdir()))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Source (the right half) and target (the left), each float32 (3, 256, 256) in [-1, 1]."""
        down, right, turn = torch.rand(3).tolist()
        y, x = (int(part * (JITTER_SIZE - CROP + 1)) for part in (down, right))
        image = Image.open(self.files[index]).convert("RGB")
        middle, images = image.width // 2, []
        for left in (middle, 0):
            half = F.crop(image, 0, left, image.height, middle)
            half = F.crop(F.resize(half, [JITTER_SIZE] * 2, F.InterpolationMode.BICUBIC), y, x, CROP, CROP)
            half = F.hflip(half) if turn < 0.5 else half
            images.append(F.normalize(F.to_tensor(half), [0.5] * 3, [0.5] * 3))
        return images[0], images[1]


def write_facades(folder: Path, count: int = 100) -> None:
    """Write synthetic facades in the form of the real ones: JPEGs of 512×256 px, the photo left, its labels right."""
    pairs = synthetic_facades(count, size=256)
    for source, target, name in zip(pairs.source, pairs.target, pairs.names, strict=True):
        image = torch.cat([target, source], dim=-1).permute(1, 2, 0).numpy()  # (256, 512, 3)
        Image.fromarray(image).save(folder / f"{name}.jpg", quality=95)


def endless(data: Sized) -> RandomSampler:
    """Shuffled epochs without a pause between them, in which loaders would have to start anew."""
    return RandomSampler(data, num_samples=10**9)


def assert_same_pixels(theirs: BaselinePairs, ours: Pairs | StreamedPairs) -> None:
    """Check every tenth pair for the same pixels, jittered and mirrored by the same seed."""
    for i in range(0, len(theirs), 10):
        index = ours.names.index(theirs.files[i].name)
        batch = torch.cat(ours.batch([index], CROP, torch.Generator().manual_seed(i)))
        torch.manual_seed(i)
        assert torch.equal(to_uint8(batch), to_uint8(torch.stack(theirs[i]))), (
            f"{theirs.files[i]}: ours differs from resizing each time."
        )


def stream_pairs(folder: Path, **options) -> StreamedPairs:
    """The pairs of a folder, decoded ahead as if they were larger than memory."""
    with mock.patch.object(pair_files, "LARGE", 0):
        return read_pairs(folder, direction="BtoA", **options)


def our_batches(pairs: Pairs | StreamedPairs, batch_size: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as the training takes them."""
    random, sampler, order = torch.Generator().manual_seed(0), iter(endless(pairs)), []
    while True:
        order += islice(sampler, (1 + AHEAD) * batch_size - len(order))
        pairs.prefetch(order)
        yield pairs.batch(order[:batch_size], CROP, random)
        del order[:batch_size]


def rate(batches: Iterator, seconds: float) -> float:
    """Pairs a second, once the loader's workers are up and what they had fetched ahead is used."""
    for _ in range(20):
        next(batches)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += len(next(batches)[0])
    return count / (time.perf_counter() - start)


def measure(variants: dict[str, Iterator], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Pairs a second of each variant in each round, in turn: what slows the machine down slows all of them."""
    rates = {name: [] for name in variants}
    for _ in range(rounds):
        for name, batches in variants.items():
            rates[name].append(rate(batches, seconds))
            time.sleep(0.1)  # its workers fetch ahead and fall silent
    return rates


def table(rates: dict[str, list[float]]) -> str:
    """A Markdown table of medians over the rounds, of the rates and of their ratios."""
    ours, *_ = rates.values()
    lines = ["| pipeline | pairs/s | ours in memory is |", "|---|---|---|"]
    for name, theirs in rates.items():
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        lines.append(f"| {name} | {statistics.median(theirs):,.0f} | {'' if theirs is ours else f'{ratio:.1f} ×'} |")
    return "\n".join(lines)


@contextmanager
def folder_of_pairs(given: Path | None) -> Iterator[Path]:
    """The folder that was given, or a temporary one of synthetic facades."""
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory() as temporary:
        write_facades(Path(temporary))
        yield Path(temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of side-by-side pairs; without it, 100 synthetic facades")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each variant in each round")
    parser.add_argument("--threads", type=int, help="of torch: 1 on a busy machine, where they wait for each other")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    warnings.filterwarnings("ignore", "This DataLoader will create")  # 4 workers on 2 cores are meant

    with folder_of_pairs(options.folder) as folder:
        theirs, ours, streamed = BaselinePairs(folder), read_pairs(folder, direction="BtoA"), stream_pairs(folder)
        assert_same_pixels(theirs, ours)
        assert_same_pixels(theirs, streamed)
        variants = {"ours, in memory": our_batches(ours)}
        variants |= {f"ours, streamed, batch {size}": our_batches(streamed, size) for size in (1, 4)}
        for workers in WORKERS:
            loader = DataLoader(theirs, batch_size=1, sampler=endless(theirs), num_workers=workers)
            variants[f"baseline, {workers} workers"] = iter(loader)
        rates = measure(variants, options.rounds, options.seconds)
    print(f"{len(ours)} pairs, the same pixels from all; torch {torch.__version__}; {os.cpu_count()} cores, ", end="")
    print(f"torch takes {torch.get_num_threads()}; medians of {options.rounds} rounds\n\n{table(rates)}\n")
    print(f"Target: in memory {TARGET} × or more against each baseline.\n{NEEDED}")


if __name__ == "__main__":
    main()

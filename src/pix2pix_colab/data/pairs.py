"""Pairs of images: read once, kept as uint8 in one tensor, cropped and mirrored on the tensor's own device."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..utils.images import MODES, scale_
from .cache import map_rows, read_rows
from .folders import find_pairs
from .pair_decoder import PairReader

JITTER_SIZE = 286  # px, from which 256 px are cropped at random (appendix 6.2)
LARGE = 2 * 2**30  # bytes of pairs, from which on they are mapped and not held in memory


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of square images.

    Args:
        source: uint8 (N, C, size, size), what the generator is given; C is 3, or 1 for grey images.
        target: uint8 (N, C, size, size), what it shall make of it; its C may be another one.
        names: N names, one a pair.
        skipped: the files that were left out when the pairs were read, and why.
        digests: N hashes of the pairs' bytes, where source and target are a memory map, larger perhaps than memory.
    """

    source: Tensor
    target: Tensor
    names: Sequence[str]
    skipped: Mapping[str, str] = field(default_factory=dict)
    digests: Sequence[str] | None = None

    def __post_init__(self):
        shapes, count = (tuple(self.source.shape), tuple(self.target.shape)), len(self.names)
        if any(shape not in ((count, 1, self.size, self.size), (count, 3, self.size, self.size)) for shape in shapes):
            raise ValueError(f"Source {shapes[0]}, target {shapes[1]} and {count} names don't make pairs.")
        if self.source.dtype != torch.uint8 or self.target.dtype != torch.uint8:
            raise ValueError(f"Pairs are uint8, but these are {self.source.dtype} and {self.target.dtype}.")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: slice) -> "Pairs":
        digests = self.digests and self.digests[rows]
        return replace(
            self, source=self.source[rows], target=self.target[rows], names=self.names[rows], digests=digests
        )

    @property
    def size(self) -> int:
        """Side of the images in px."""
        return self.source.shape[-1]

    def to(self, device: torch.device | str) -> "Pairs":
        """The same pairs on another device; but those of a memory map stay where they are, and ``batch`` moves them."""
        if self.digests is not None:
            return self
        return replace(self, source=self.source.to(device), target=self.target.to(device))

    def fingerprint(self) -> str:
        """Count, size and a hash of every pixel: two trainings on the same pairs have the same one."""
        digests = self.digests if self.digests is not None else map(_digest, self.source, self.target)
        return f"{len(self)} pairs of {self.size} px, {sha256(''.join(digests).encode()).hexdigest()[:16]}"

    def batch(
        self,
        rows: Sequence[int],
        size: int,
        random: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Source and target of some pairs, as the nets take them, with the jitter and mirror of appendix 6.2.

        Args:
            rows: B numbers of pairs.
            size: side of the crop in px, at most ``self.size``.
            random: a CPU generator, which draws for each pair an offset and whether to mirror it, the same for source
                and target. None takes the middle and mirrors nothing.
            device: where to; None is the device of the pairs.

        Returns:
            Two float32 (B, C, size, size) in [-1, 1].

        Raises:
            ValueError: if the crop is larger than the images.
        """
        room = self.size - size
        if room < 0:
            raise ValueError(f"A crop of {size} px doesn't fit into pairs of {self.size} px: read them larger.")
        batches = [
            torch.empty(len(rows), images.shape[1], size, size, device=device or images.device)
            for images in (self.source, self.target)
        ]
        for i, row in enumerate(rows):
            y, x, mirror = room // 2, room // 2, False
            if random is not None:
                down, right, turn = torch.rand(3, generator=random).tolist()
                y, x, mirror = int(down * (room + 1)), int(right * (room + 1)), turn < 0.5
            for batch, images in zip(batches, (self.source, self.target), strict=True):
                window = images[row, :, y : y + size, x : x + size]
                batch[i].copy_(window.flip(-1) if mirror else window)
        source, target = map(scale_, batches)
        return source, target


def _digest(source: Tensor, target: Tensor) -> str:
    return sha256(source.cpu().numpy().tobytes() + target.cpu().numpy().tobytes()).hexdigest()


def jitter_size(image_size: int) -> int:
    """Side in px that pairs are kept at, so that ``image_size`` px can be cropped at random: 286 for 256 px."""
    return round(image_size * JITTER_SIZE / 256)


def read_pairs(
    folder: str | Path,
    size: int = JITTER_SIZE,
    direction: str = "BtoA",
    split: str | None = None,
    *,
    targets: str | Path | None = None,
    source_channels: int = 3,
    target_channels: int = 3,
    limit: int | None = None,
    cache: str | Path | None = None,
    seed: int = 0,
) -> Pairs:
    """Read the pairs of a folder, be they side by side in one file or in two folders (see ``find_pairs``).

    Images of any mode and size are taken: grey, palette, transparent (on white), 16 bits, CMYK, rotated by EXIF. What
    makes no pair is left out, and one warning names every such file and why, as ``skipped`` does.

    Args:
        folder: its images are read in the order of their names, numbers by value (2 before 10).
        size: side in px that all images are resized to (bicubic, antialiased), whatever their aspect.
        direction: "BtoA" takes B (the right half) as the source and A (the left one) as the target (facades: labels to
            photo); "AtoB" the other way round. Folders called source and target are what they are called.
        split: "train", "val" or "test"; ``Layout.split`` says what it is where a folder has none, and what ``seed`` is.
        targets: the folder with the targets, where ``folder`` holds the sources alone.
        source_channels: 3, or 1 for grey; ``target_channels`` likewise.
        limit: read no more than so many, evenly from all.
        cache: a folder for a memory-mapped copy of the pairs, which is built once. None makes one, beside the images in
            ``.cache``, only if the pairs take more than 2 GiB.

    Raises:
        FileNotFoundError: if there is no such folder, or it holds no image.
        ValueError: for another direction, split or number of channels, or if not one pair is left.
        OSError: if the cache can't be written, or its disk is full.
    """
    if direction not in ("AtoB", "BtoA"):
        raise ValueError(f'direction is {direction!r}, but it must be "AtoB" or "BtoA".')
    if not {source_channels, target_channels} <= MODES.keys():
        raise ValueError(f"Images have 1 channel or 3, not {source_channels} and {target_channels}.")
    layout = find_pairs(folder, targets)
    files, skipped = layout.split(split, seed)
    if limit and limit < len(files):
        files = [files[i * len(files) // limit] for i in range(limit)]
    swap = direction == "BtoA" and not layout.fixed
    reader = PairReader(files, size, (source_channels, target_channels), swap)
    if cache is None and len(files) * reader.row_bytes > LARGE:
        cache = layout.folder / ".cache" / "-".join(map(str, [split or "all", size, direction, *reader.channels]))
    load = (reader.load, len(files), reader.row_bytes)
    rows, journal = read_rows(*load) if cache is None else map_rows(Path(cache), reader.stamp(), *load)
    skipped |= {file.name: entry["skipped"] for file, entry in zip(files, journal, strict=True) if "skipped" in entry}
    _report(layout.folder, len(rows), skipped)
    names = [file.name for file, entry in zip(files, journal, strict=True) if "digest" in entry]
    digests = None if cache is None else [entry["digest"] for entry in journal if "digest" in entry]
    return Pairs(*reader.split(rows), names, skipped, digests)


def _report(folder: Path, count: int, skipped: dict[str, str]) -> None:
    """Name all files that were left out; zero pairs are refused."""
    lines = "".join(f"\n  {name}: {why}" for name, why in skipped.items())
    if not count:
        raise ValueError(f"Not one pair is left of {folder}:{lines or ' there are too few to be split.'}")
    if skipped:
        warnings.warn(f"{len(skipped)} were left out of {folder}, and {count} pairs read:{lines}", stacklevel=3)


def write_pairs(pairs: Pairs, folder: str | Path, direction: str = "BtoA") -> Path:
    """Write pairs as side-by-side PNGs, which ``read_pairs`` reads back to the same bits. Returns the folder."""
    folder, stems = Path(folder), [Path(name).stem for name in pairs.names]
    if len(set(stems)) < len(stems):
        raise ValueError(f"The names {', '.join(pairs.names)} would share files (endings don't count): rename some.")
    folder.mkdir(parents=True, exist_ok=True)
    for source, target, stem in zip(pairs.source, pairs.target, stems, strict=True):
        halves = (source, target) if direction == "AtoB" else (target, source)
        image = torch.cat([half.expand(3, -1, -1) for half in halves], dim=-1).permute(1, 2, 0)  # -> (S, 2 S, 3)
        Image.fromarray(image.cpu().numpy()).save(folder / f"{stem}.png")
    return folder

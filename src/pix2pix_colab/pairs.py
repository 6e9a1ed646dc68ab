"""Pairs of images: read once, kept as uint8 in one tensor, cropped and mirrored on the tensor's own device."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

JITTER_SIZE = 286  # px, from which 256 px are cropped at random (appendix 6.2)
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of square images.

    Args:
        source: uint8 (N, 3, size, size), what the generator is given.
        target: uint8 (N, 3, size, size), what it shall make of it.
        names: N names, one a pair.
    """

    source: Tensor
    target: Tensor
    names: Sequence[str]

    def __post_init__(self):
        shapes = tuple(self.source.shape), tuple(self.target.shape)
        if shapes[0] != shapes[1] or shapes[0] != (len(self.names), 3, self.size, self.size):
            raise ValueError(f"Source {shapes[0]}, target {shapes[1]} and {len(self.names)} names don't make pairs.")
        if self.source.dtype != torch.uint8 or self.target.dtype != torch.uint8:
            raise ValueError(f"Pairs are uint8, but these are {self.source.dtype} and {self.target.dtype}.")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: slice) -> "Pairs":
        return Pairs(self.source[rows], self.target[rows], self.names[rows])

    @property
    def size(self) -> int:
        """Side of the images in px."""
        return self.source.shape[-1]

    def to(self, device: torch.device | str) -> "Pairs":
        """The same pairs on another device."""
        return Pairs(self.source.to(device), self.target.to(device), self.names)

    def fingerprint(self) -> str:
        """Count, size and a hash of every pixel: two trainings on the same pairs have the same one."""
        digest = sha256()
        for images in (self.source, self.target):
            digest.update(images.cpu().contiguous().numpy())
        return f"{len(self)} pairs of {self.size} px, {digest.hexdigest()[:16]}"

    def batch(self, rows: Sequence[int], size: int, random: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Source and target of some pairs, as the nets take them, with the jitter and mirror of appendix 6.2.

        Args:
            rows: B numbers of pairs.
            size: side of the crop in px, at most ``self.size``.
            random: a CPU generator, which draws for each pair an offset and whether to mirror it, the same for source
                and target. None takes the middle and mirrors nothing.

        Returns:
            Two float32 (B, 3, size, size) in [-1, 1], on the device of the pairs.

        Raises:
            ValueError: if the crop is larger than the images.
        """
        room = self.size - size
        if room < 0:
            raise ValueError(f"A crop of {size} px doesn't fit into pairs of {self.size} px: read them larger.")
        batch = torch.empty(2, len(rows), 3, size, size, device=self.source.device)
        for i, row in enumerate(rows):
            y, x, mirror = room // 2, room // 2, False
            if random is not None:
                down, right, turn = torch.rand(3, generator=random).tolist()
                y, x, mirror = int(down * (room + 1)), int(right * (room + 1)), turn < 0.5
            for crop, images in ((batch[0, i], self.source), (batch[1, i], self.target)):
                window = images[row, :, y : y + size, x : x + size]
                crop.copy_(window.flip(-1) if mirror else window)
        source, target = _scale(batch)
        return source, target


def to_float(images: Tensor) -> Tensor:
    """uint8 in [0, 255] -> float32 in [-1, 1], the range of the nets."""
    return _scale(images.to(torch.float32, copy=True))


def _scale(images: Tensor) -> Tensor:
    """[0, 255] -> [-1, 1], in place and in one pass over the memory: at one pair a step, that is what data costs."""
    return torch.add(_MINUS_ONE, images, alpha=_SCALE, out=images)


_MINUS_ONE = torch.tensor(-1.0)
_SCALE = (2 - 2e-7) / 255  # a trace below 2 / 255, so that rounding doesn't take 255 beyond 1


def to_uint8(images: Tensor) -> Tensor:
    """Float in [-1, 1] -> uint8 in [0, 255], rounded: the inverse of ``to_float``."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def read_pairs(folder: str | Path, size: int = JITTER_SIZE, direction: str = "BtoA") -> Pairs:
    """Read a folder of side-by-side pairs: each file holds image A on its left half and image B on its right.

    Args:
        folder: its images are read in the order of their names, numbers by value (2 before 10).
        size: side in px that both halves are resized to (bicubic, antialiased).
        direction: "BtoA" takes the right half as the source and the left as the target (facades: labels to photo);
            "AtoB" the other way round.

    Raises:
        FileNotFoundError: if there is no such folder, or it holds no image.
        ValueError: for another direction, or a file that is no image or can't be halved; the message names the file.
    """
    folder = Path(folder)
    if direction not in ("AtoB", "BtoA"):
        raise ValueError(f'direction is {direction!r}, but it must be "AtoB" or "BtoA".')
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: give the one that holds the side-by-side images.")
    files = sorted(filter(is_image, folder.iterdir()), key=_by_number)
    if not files:
        kinds = ", ".join(EXTENSIONS)
        raise FileNotFoundError(f"{folder} holds no image ({kinds}): give the folder of the side-by-side images.")
    with ThreadPoolExecutor() as threads:  # Pillow decodes and resizes without Python's lock
        halves = torch.from_numpy(np.stack(list(threads.map(lambda file: _read_halves(file, size), files))))
    a, b = halves.permute(1, 0, 4, 2, 3).contiguous()  # (N, 2, size, size, 3) -> two (N, 3, size, size)
    source, target = (a, b) if direction == "AtoB" else (b, a)
    return Pairs(source, target, [file.name for file in files])


def write_pairs(pairs: Pairs, folder: str | Path, direction: str = "BtoA") -> Path:
    """Write pairs as side-by-side PNGs, which ``read_pairs`` reads back to the same bits. Returns the folder."""
    folder, stems = Path(folder), [Path(name).stem for name in pairs.names]
    if len(set(stems)) < len(stems):
        raise ValueError(f"The names {', '.join(pairs.names)} would share files (endings don't count): rename some.")
    folder.mkdir(parents=True, exist_ok=True)
    for source, target, stem in zip(pairs.source, pairs.target, stems, strict=True):
        halves = (source, target) if direction == "AtoB" else (target, source)
        image = torch.cat(halves, dim=-1).permute(1, 2, 0)  # (3, S, 2 S) -> (S, 2 S, 3)
        Image.fromarray(image.cpu().numpy()).save(folder / f"{stem}.png")
    return folder


def _read_halves(file: Path, size: int) -> np.ndarray:
    """Both halves of a file, uint8 (2, size, size, 3)."""
    try:
        with Image.open(file) as opened:
            image = _to_rgb(opened)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # UnidentifiedImageError is an OSError
        raise ValueError(f"{file} is no readable image ({error}): repair it or take it out of the folder.") from error
    if image.width % 2:
        raise ValueError(
            f"{file} is {image.width} px wide, which can't be halved: a pair is two images of equal width side by side."
        )
    middle = image.width // 2
    halves = image.crop((0, 0, middle, image.height)), image.crop((middle, 0, image.width, image.height))
    return np.stack([np.asarray(half.resize((size, size), Image.Resampling.BICUBIC)) for half in halves])


def is_image(file: Path) -> bool:
    """By its name; hidden files (macOS leaves a ._1.jpg beside a 1.jpg) are none."""
    return file.suffix.lower() in EXTENSIONS and not file.name.startswith(".")


def _to_rgb(image: Image.Image) -> Image.Image:
    """16-bit grey is scaled to 8 bits first: Pillow alone would clip it at 255."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image, np.float32) / 257).round().clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def _by_number(file: Path) -> tuple:
    """Sort key: numbers by value, before names by letters."""
    number = int(file.stem) if file.stem.isdecimal() else None
    return (number is None, number or 0, file.name)

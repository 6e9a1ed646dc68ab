"""Pairs of images in memory: uint8 in one tensor, cropped and mirrored on the tensor's own device."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from ..utils.images import SQUARE, UNSEEN, Seen, scale_

JITTER_SIZE = 286  # px, from which 256 px are cropped at random (appendix 6.2)
DIGEST = 16  # hexadecimal digits of a pair's SHA-256 that a run records


@dataclass(frozen=True)
class PairsRecord:
    """What a run records of its pairs."""

    fingerprint: str  # count, size and hash of all pixels, the same for equal pairs
    size: int | None  # side in px; None if it was not recorded
    direction: str | None
    digests: Sequence[str]  # what the SHA-256 of each pair begins with
    seen: Seen = UNSEEN

    @classmethod
    def of(cls, state: Mapping) -> "PairsRecord":
        """The record in a checkpoint."""
        seen = Seen(*state.get("seen", ()))
        return cls(state["pairs"], state.get("size"), state["direction"], state["digests"], seen)

    def state(self) -> dict:
        """The record as plain data, for a checkpoint."""
        names = ("pairs", "size", "direction", "digests", "seen")
        return dict(zip(names, vars(self).values(), strict=True)) | {"seen": list(self.seen)}


class BasePairs:
    """N pairs of square images: what ``Pairs`` (in memory) and ``StreamedPairs`` (in files) have in common."""

    names: Sequence[str]
    skipped: Mapping[str, str]  # the files that were left out when the pairs were read, and why
    direction: str | None  # "AtoB" or "BtoA"; None for synthetic images, or those of one's own tensors
    size: int  # side in px
    channels: tuple[int, int]  # of the source and of the target, each 1 or 3
    device: torch.device
    digests: Sequence[str]  # ``pair_digest`` of each pair
    seen: Seen  # how the files were seen

    def __len__(self) -> int:
        return len(self.names)

    def images(self, indices: Sequence[int]) -> Iterable[tuple[Tensor, Tensor]]:
        """Source and target of some pairs, each uint8 (C, size, size)."""
        raise NotImplementedError

    def prefetch(self, indices: Sequence[int]) -> None:
        """Start to decode the pairs that are needed next. In memory there is nothing to do."""

    def record(self) -> PairsRecord:
        """What a run records of these pairs. In memory, all pixels are hashed for it."""
        digests = self.digests
        fingerprint = f"{len(self)} pairs of {self.size} px, {sha256(''.join(digests).encode()).hexdigest()[:16]}"
        return PairsRecord(fingerprint, self.size, self.direction, [digest[:DIGEST] for digest in digests], self.seen)

    def batch(
        self,
        indices: Sequence[int],
        size: int,
        random: torch.Generator | None = None,
        device: torch.device | str | None = None,
        mirror: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Source and target of some pairs, as the nets take them, with the jitter and mirror of appendix 6.2.

        Args:
            indices: B numbers of pairs.
            size: side of the crop in px, at most ``self.size``.
            random: a CPU generator, from which an offset and whether to mirror are sampled for each pair, the same for
                source and target. None takes the middle and mirrors nothing.
            device: where to; None is the device of the pairs.
            mirror: whether pairs are mirrored at all.

        Returns two float32 (B, C, size, size) in [-1, 1].
        """
        room = self.size - size
        if room < 0:
            raise ValueError(f"A crop of {size} px doesn't fit into pairs of {self.size} px: read them larger.")
        shapes = [(len(indices), channels, size, size) for channels in self.channels]
        batches = [torch.empty(shape, device=device or self.device) for shape in shapes]
        for i, pair in enumerate(self.images(indices)):
            y, x, mirrored = room // 2, room // 2, False
            if random is not None:
                down, right, turn = torch.rand(3, generator=random).tolist()
                y, x, mirrored = int(down * (room + 1)), int(right * (room + 1)), mirror and turn < 0.5
            for batch, image in zip(batches, pair, strict=True):
                window = image[:, y : y + size, x : x + size]
                batch[i].copy_(window.flip(-1) if mirrored else window)
        source, target = map(scale_, batches)
        return source, target


@dataclass(frozen=True, eq=False)
class Pairs(BasePairs):
    """N pairs of square images in memory."""

    source: Tensor  # uint8 (N, C, size, size), the input of the generator; C is 3, or 1 for grey images
    target: Tensor  # the same, the real image; its C may be another one
    names: Sequence[str]
    skipped: Mapping[str, str] = field(default_factory=dict)
    direction: str | None = None
    seen: Seen = SQUARE

    def __post_init__(self):
        shapes, count = (tuple(self.source.shape), tuple(self.target.shape)), len(self.names)
        if any(shape not in ((count, 1, self.size, self.size), (count, 3, self.size, self.size)) for shape in shapes):
            raise ValueError(f"Source {shapes[0]}, target {shapes[1]} and {count} names don't make pairs.")
        if self.source.dtype != torch.uint8 or self.target.dtype != torch.uint8:
            raise ValueError(f"Pairs are uint8, but these are {self.source.dtype} and {self.target.dtype}.")

    def __getitem__(self, indices: slice | Sequence[int]) -> "Pairs":
        """Some of the pairs, by a slice or a list of numbers."""
        names = self.names[indices] if isinstance(indices, slice) else [self.names[i] for i in indices]
        return replace(self, source=self.source[indices], target=self.target[indices], names=names)

    @property
    def size(self) -> int:
        return self.source.shape[-1]

    @property
    def channels(self) -> tuple[int, int]:
        return self.source.shape[1], self.target.shape[1]

    @property
    def device(self) -> torch.device:
        return self.source.device

    def to(self, device: torch.device | str) -> "Pairs":
        """The same pairs on another device."""
        return replace(self, source=self.source.to(device), target=self.target.to(device))

    def images(self, indices: Sequence[int]) -> Iterable[tuple[Tensor, Tensor]]:
        return ((self.source[i], self.target[i]) for i in indices)

    @property
    def digests(self) -> list[str]:
        return [pair_digest(*(image.cpu().numpy() for image in pair)) for pair in self.images(range(len(self)))]


def pair_digest(source: np.ndarray, target: np.ndarray) -> str:
    """SHA-256 of a pair's bytes, the source's before the target's."""
    return sha256(source.tobytes() + target.tobytes()).hexdigest()


def jitter_size(image_size: int) -> int:
    """Side in px that pairs are kept at, so that ``image_size`` px can be cropped at random: 286 for 256 px."""
    return round(image_size * JITTER_SIZE / 256)

"""Pairs that are larger than memory: decoded ahead by threads, straight from their files."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy

import numpy as np
import torch
from torch import Tensor

from ..utils.images import Seen
from .pair_decoder import Decoded, PairDecoder, map_in_threads
from .pairs import BasePairs, Pairs, pair_digest


class StreamedPairs(BasePairs):
    """N pairs of square images in their files, of which only those that are needed next are in memory.

    Threads decode them (Pillow releases Python's lock), at each use anew, to the same bits as ``Pairs`` would hold.
    Each pair is compared with its digest, of when the pairs were read: SHA-256 takes 0.4 ms for the 0.5 MB that take
    7 ms and more to decode.
    """

    device = torch.device("cpu")

    def __init__(self, decoder: PairDecoder, digests: Sequence[str], skipped: dict[str, str], seen: Seen):
        self.decoder, self.digests, self.skipped, self.seen = decoder, digests, skipped, seen
        self.names = [pair.name for pair in decoder.files]
        self.size, self.channels, self.direction = decoder.size, decoder.channels, decoder.direction
        self._threads = ThreadPoolExecutor(os.cpu_count())
        self._ahead: dict[int, Future] = {}

    def __getitem__(self, indices: slice | Sequence[int]) -> Pairs:
        """Some of the pairs, by a slice or a list of numbers, in memory."""
        indices = range(len(self))[indices] if isinstance(indices, slice) else indices
        source, target = self.decoder.allocate(len(indices))
        for i, pair in enumerate(map_in_threads(self._decode, indices)):
            source[i], target[i] = pair.source, pair.target
        names = [self.names[i] for i in indices]
        return Pairs(torch.from_numpy(source), torch.from_numpy(target), names, self.skipped, self.direction, self.seen)

    @property
    def source(self) -> Tensor:
        size = len(self) * sum(self.channels) * self.size**2 / 2**30
        advice = "take some, such as pairs[:8].source or .target, or hold all in pairs[:]."
        raise AttributeError(f"All {len(self):,} pairs take {size:.1f} GiB of memory: {advice}")

    target = source

    def to(self, device: torch.device | str) -> "StreamedPairs":
        """The same pairs, still in their files, whose ``images`` are on the device."""
        moved = copy(self)
        moved.device = torch.device(device)
        return moved

    def prefetch(self, indices: Sequence[int]) -> None:
        """Start to decode these pairs. Forget others that were asked for and not taken: memory holds these only."""
        for index in self._ahead.keys() - set(indices):
            if future := self._ahead.pop(index, None):
                future.cancel()
        for index in indices:
            if index not in self._ahead:
                self._ahead[index] = self._threads.submit(self._decode, index)

    def images(self, indices: Sequence[int]) -> Iterable[tuple[Tensor, Tensor]]:
        """Source and target of some pairs, each uint8 (C, size, size). What was not prefetched is decoded now.

        Raises OSError if a file can't be decoded any more, or to other pixels.
        """
        decoded = {i: self._take(i) for i in dict.fromkeys(indices)}
        pairs = (decoded[i].result() for i in indices)
        return ((self._move(pair.source), self._move(pair.target)) for pair in pairs)

    def _move(self, image: np.ndarray) -> Tensor:
        """Move an image to the device, as bytes; to a GPU from pinned memory, so that nothing waits."""
        here = torch.from_numpy(image)
        return (here.pin_memory() if self.device.type == "cuda" else here).to(self.device, non_blocking=True)

    def _take(self, index: int) -> Future:
        """The decoding of a pair: the one ahead, unless it failed, since the file may be back by now."""
        ahead = self._ahead.pop(index, None)
        failed = ahead and ahead.done() and ahead.exception()
        return ahead if ahead and not failed else self._threads.submit(self._decode, index)

    def _decode(self, index: int) -> Decoded:
        pair = self.decoder.decode(index)
        if isinstance(pair, ValueError) or pair_digest(pair.source, pair.target) != self.digests[index]:
            files = " and ".join(str(file) for file in self.decoder.files[index][1:] if file)
            why = pair if isinstance(pair, ValueError) else "has other pixels"
            advice = "put it back as it was and resume, or read the pairs again and train in another folder."
            raise OSError(f"{files}: {why}, unlike when the pairs were read: {advice}")
        return pair

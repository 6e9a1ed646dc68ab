"""Read pairs from the image files of a folder, and write them."""

import warnings
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from tqdm.auto import tqdm

from ..utils.images import MODES, is_image
from .folders import find_pairs
from .pair_decoder import PairDecoder, map_in_threads
from .pairs import JITTER_SIZE, BasePairs, Pairs, pair_digest
from .streamed_pairs import StreamedPairs

LARGE = 2 * 2**30  # bytes of pairs: more are not held in memory, but decoded ahead


def read_pairs(
    folder: str | Path,
    size: int = JITTER_SIZE,
    direction: str = "AtoB",
    split: str | None = None,
    *,
    targets: str | Path | None = None,
    source_channels: int = 3,
    target_channels: int = 3,
    limit: int | None = None,
    seed: int = 0,
) -> Pairs | StreamedPairs:
    """Read the pairs of a folder, side by side in one file or in two folders (see ``find_pairs``).

    Images of any mode and size are taken: grey, palette, transparent (on white), 16 bits, CMYK, rotated by EXIF. What
    makes no pair is left out, and one warning names every such file and why, as ``skipped`` does.

    Pairs of up to 2 GiB are held in memory (4,300 at 286 px). More are decoded once now, with a progress bar (about 10
    minutes for the 138,567 pairs of edges2handbags on two cores), and again for each batch: ``StreamedPairs``.

    Args:
        folder: its images are read in the order of their names, numbers by value (2 before 10).
        size: side in px that all images are resized to (bicubic, antialiased), whatever their aspect.
        direction: "AtoB" takes A (the left half) as the source and B (the right one) as the target; "BtoA" the other
            way round (facades: labels to photo). Folders called source and target are what they are called: AtoB.
        split: "train", "val" or "test"; ``Layout.split`` says what it is if a folder has none, and what ``seed`` is.
        targets: the folder with the targets, if ``folder`` holds only the sources.
        source_channels: 3, or 1 for grey; ``target_channels`` likewise.
        limit: read no more than so many, evenly from all.

    Raises:
        FileNotFoundError: if there is no such folder, or it holds no image.
        ValueError: for another direction, split or number of channels, or if not one pair is left.
    """
    if direction not in ("AtoB", "BtoA"):
        raise ValueError(f'direction is {direction!r}, but it must be "AtoB" or "BtoA".')
    if not {source_channels, target_channels} <= MODES.keys():
        raise ValueError(f"Images have 1 channel or 3, not {source_channels} and {target_channels}.")
    layout = find_pairs(folder, targets)
    files, skipped = layout.split(split, seed)
    if limit and limit < len(files):
        files = [files[i * len(files) // limit] for i in range(limit)]
    decoder = PairDecoder(files, size, (source_channels, target_channels), "AtoB" if layout.fixed else direction)
    pairs = _decode(decoder, skipped, layout.folder.name)
    _report(layout.folder, len(pairs), skipped)
    return pairs


def _decode(decoder: PairDecoder, skipped: dict[str, str], title: str) -> Pairs | StreamedPairs:
    """Decode all pairs once, into memory or, if they are large, into digests. Add bad ones to ``skipped``."""
    count, sound, digests = len(decoder.files), [], []
    large = count * sum(decoder.channels) * decoder.size**2 > LARGE
    source, target = decoder.allocate(0 if large else count)
    decoded = tqdm(map_in_threads(decoder.decode, range(count)), title, count, unit="pair", disable=not large)
    for files, pair in zip(decoder.files, decoded, strict=True):
        if isinstance(pair, str):
            skipped[files.name] = pair
            continue
        if large:
            digests.append(pair_digest(*pair))
        else:
            source[len(sound)], target[len(sound)] = pair
        sound.append(files)
    if large:
        return StreamedPairs(replace(decoder, files=sound), digests, skipped)
    images = (torch.from_numpy(images[: len(sound)]) for images in (source, target))
    return Pairs(*images, [files.name for files in sound], skipped, decoder.direction)


def _report(folder: Path, count: int, skipped: dict[str, str]) -> None:
    """Warn of all files that were left out; zero pairs are refused."""
    lines = "".join(f"\n  {name}: {why}" for name, why in skipped.items())
    if not count:
        raise ValueError(
            f"Not one pair is left of {folder}:{lines or ' there are too few to be split: add pairs, or take all.'}"
        )
    if skipped:
        warnings.warn(f"{len(skipped)} were left out of {folder}, and {count} pairs read:{lines}", stacklevel=3)


def write_pairs(pairs: BasePairs, folder: str | Path, direction: str = "AtoB") -> Path:
    """Write pairs as side-by-side PNGs, which ``read_pairs`` reads back to the same bits. Returns the folder."""
    folder, names = Path(folder), map(Path, pairs.names)
    stems = [name.stem if is_image(name) else name.name for name in names]  # frame.0001 and frame.0002 are two
    if len(set(stems)) < len(stems):
        raise ValueError(f"The names {', '.join(pairs.names)} would share files (endings don't count): rename some.")
    folder.mkdir(parents=True, exist_ok=True)
    for i, stem in enumerate(stems):
        [(source, target)] = pairs.images([i])
        halves = (source, target) if direction == "AtoB" else (target, source)
        image = torch.cat([half.expand(3, -1, -1) for half in halves], dim=-1).permute(1, 2, 0)  # -> (S, 2 S, 3)
        Image.fromarray(image.cpu().numpy()).save(folder / f"{stem}.png")
    return folder

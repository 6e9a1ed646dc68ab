"""Read pairs from the image files of a folder, and write them."""

import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile

import torch
from PIL import Image
from tqdm.auto import tqdm

from ..utils.images import MODES, Seen, common_aspect, is_image
from ..utils.picture import Range, RangeNeededError
from .folders import Layout, find_pairs
from .label_maps import IMAGES, describe_class_ids
from .pair_decoder import PairDecoder, map_in_threads
from .pairs import JITTER_SIZE, BasePairs, Pairs, pair_digest
from .ranges import check_range, find_ranges
from .seams import describe_seams
from .streamed_pairs import StreamedPairs

NAMED = 10  # files in a warning
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
    source_range: Range | None = None,
    target_range: Range | None = None,
    any_aspect: bool = False,
    exif: bool = True,
    limit: int | None = None,
    seed: int = 0,
) -> Pairs | StreamedPairs:
    """Read the pairs of a folder, side by side in one file or in two folders (see ``find_pairs``).

    Images of any mode and size are taken: grey, palette, transparent (on white), 16 bits, CMYK, rotated by EXIF, and
    arrays (.npy); docs/data.md has a table. What makes no pair is left out, and one warning names such files and why,
    as ``skipped`` does for all. What is in a file and not in its pair, or was guessed, is a warning, too.

    Pairs of up to 2 GiB are held in memory (4,300 at 286 px). More are decoded once now, with a progress bar (about 10
    minutes for the 138,567 pairs of edges2handbags on two cores), and again for each batch: ``StreamedPairs``.

    Args:
        folder: its images are read in the order of their names, numbers by value (2 before 10).
        size: side in px that all images are resized to, whatever their aspect: bicubic and antialiased, but exact label
            maps, which have few colours, by the nearest pixel.
        direction: "AtoB" takes A (the left half) as the source and B (the right one) as the target; "BtoA" the other
            way round (facades: labels to photo). Folders called source and target are what they are called: AtoB.
        split: "train", "val" or "test"; ``Layout.split`` says what it is if a folder has none, and what ``seed`` is.
        targets: the folder with the targets, if ``folder`` holds only the sources.
        source_channels: 3, or 1 for grey; ``target_channels`` likewise.
        source_range: the values that are black and white, such as (0.3, 80) m; ``target_range`` likewise. Needed for
            floats, signed and 32-bit values. None: of whole numbers of more than 8 bits, the range of the 10, 12, 14 or
            16 bits that all images of the folder need.
        any_aspect: whether to halve files side by side of any aspect. Else each half must be nearly as wide as high,
            up to 1.4 times as wide: others may be single images.
        exif: whether to turn images as their EXIF data say.
        limit: read no more than so many, evenly from all.

    Raises:
        FileNotFoundError: if there is no such folder, or it holds no image.
        ValueError: for another direction, split, range or number of channels, or if not one pair is left.
    """
    if direction not in ("AtoB", "BtoA"):
        raise ValueError(f'direction is {direction!r}, but it must be "AtoB" or "BtoA".')
    if not {source_channels, target_channels} <= MODES.keys():
        raise ValueError(f"Images have 1 channel or 3, not {source_channels} and {target_channels}.")
    check_range("source_range", source_range)
    check_range("target_range", target_range)
    layout = find_pairs(folder, targets)
    files, skipped = layout.split(split, seed)
    if limit and limit < len(files):
        files = [files[i * len(files) // limit] for i in range(limit)]
    channels, ranges = (source_channels, target_channels), (source_range, target_range)
    direction = "AtoB" if layout.fixed else direction
    decoder = PairDecoder(files, size, channels, direction, ranges, any_aspect, exif)
    pairs, said = _decode(decoder, layout, skipped)
    _report(layout.folder, len(pairs), skipped, said)
    return pairs


def _decode(decoder: PairDecoder, layout: Layout, skipped: dict[str, str]) -> tuple[Pairs | StreamedPairs, list[str]]:
    """Decode all pairs once, with what a user should know of them. Bad ones are added to ``skipped``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # up to where Pillow opens none
        try:
            pairs, notes = _decode_all(decoder, skipped, layout.folder.name, wide=False)
            said = []
        except RangeNeededError:
            ranges, said = find_ranges(decoder, [pair for pairs in layout.pairs.values() for pair in pairs])
            pairs, notes = _decode_all(replace(decoder, ranges=ranges), skipped, layout.folder.name, wide=True)
        described = describe_seams(decoder) + describe_class_ids(pairs[:IMAGES])
    if notes:
        said.append(f"{len(notes)} pairs of {layout.folder} are not all that is in their files:{list_some(notes)}")
    return pairs, said + [f"{layout.folder}: {words}" for words in described]


def _decode_all(decoder: PairDecoder, skipped: dict[str, str], title: str, wide: bool) -> tuple:
    """The pairs, in memory or, if they are large, with their digests; and notes by name.

    Raises RangeNeededError at the first one, unless they are left out (``wide``).
    """
    count, sound, digests, notes, aspects, left_out = len(decoder.files), [], [], {}, [], {}
    large = count * sum(decoder.channels) * decoder.size**2 > LARGE
    source, target = decoder.allocate(0 if large else count)
    decoded = tqdm(map_in_threads(decoder.decode, range(count)), title, count, unit="pair", disable=not large)
    for files, pair in zip(decoder.files, decoded, strict=True):
        if isinstance(pair, RangeNeededError) and not wide:
            raise pair
        if isinstance(pair, ValueError):
            left_out[files.name] = str(pair)
            continue
        if large:
            digests.append(pair_digest(pair.source, pair.target))
        else:
            source[len(sound)], target[len(sound)] = pair.source, pair.target
        sound.append(files)
        aspects.append(pair.aspect)
        notes |= {files.name: "; ".join(pair.notes)} if pair.notes else {}
    skipped |= left_out
    seen = Seen(common_aspect(aspects), decoder.ranges[0], decoder.exif, decoder.ranges[1])
    if large:
        return StreamedPairs(replace(decoder, files=sound), digests, skipped, seen), notes
    images = (torch.from_numpy(images[: len(sound)]) for images in (source, target))
    return Pairs(*images, [files.name for files in sound], skipped, decoder.direction, seen), notes


def _report(folder: Path, count: int, skipped: dict[str, str], said: list[str]) -> None:
    """Warn of all files that were left out, and of what was guessed; zero pairs are refused."""
    if not count:
        lines = list_some(skipped) or " there are too few to be split: add pairs, or take all."
        raise ValueError("\n".join([f"Not one pair is left of {folder}:{lines}", *said]))
    if skipped:
        said = [f"{len(skipped)} were left out of {folder}, and {count} pairs read:{list_some(skipped)}", *said]
    for words in said:
        warnings.warn(words, stacklevel=3)


def list_some(whys: dict[str, str]) -> str:
    """A line for each of the first ten names, with the reason, and a file in which all of them are."""
    lines = [f"\n  {name}: {why}" for name, why in whys.items()]
    if len(lines) <= NAMED:
        return "".join(lines)
    with NamedTemporaryFile("w", prefix="left-out-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write("".join(lines).lstrip("\n"))
    return "".join(lines[:NAMED]) + f"\n  … and {len(lines) - NAMED:,} more: all are in {file.name}"


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

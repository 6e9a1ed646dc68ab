"""Layout of a folder: which files make pairs, by their names only."""

import os
import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ..utils.images import EXTENSIONS, is_image

TEST_SHARE = 0.1  # of the pairs are for testing, if the folder has no splits of its own

# A folder's name may say a split, a side or both: train, A, trainA, train_A
_NAMED = re.compile(
    r"(?:(?P<split>train|val|test)(?:ing|id|idation)?)?[ _-]?(?P<side>a|b|sources?|targets?|inputs?|outputs?)?",
    re.IGNORECASE | re.ASCII,
)


class PairFiles(NamedTuple):
    """The files of one pair; ``second`` is None where ``first`` holds both images, side by side."""

    name: str
    first: Path
    second: Path | None


class Skipped(NamedTuple):
    """A file that makes no pair, and why."""

    split: str
    name: str
    why: str


@dataclass(frozen=True)
class Layout:
    """The pairs of a folder.

    Args:
        pairs: by split: train, val, test, or "" where there are no splits.
        skipped: the files that make no pair.
        fixed: whether ``first`` is the source whatever the direction, since the folders are called so.
    """

    folder: Path
    pairs: dict[str, list[PairFiles]]
    skipped: list[Skipped]
    fixed: bool

    def split(self, name: str | None, seed: int = 0) -> tuple[list[PairFiles], dict[str, str]]:
        """The pairs of a split, and the files left out of it, with the reasons. None is all, if there are no splits.

        "test" means val if there is no test. If there is neither, a tenth of the pairs is sampled by ``seed`` to be
        "test", and the others are "train".

        Raises:
            ValueError: if there is no such split.
        """
        there = self.pairs.keys() | {skipped.split for skipped in self.skipped}
        if name == "test" and "test" not in there and "val" in there:
            name = "val"
        skipped = {s.name: s.why for s in self.skipped if (s.split or "train") == (name or "train")}
        if name is None and not any(there):
            return self.pairs.get("", []), skipped
        if name in ("train", "test") and not there & {"test", "val"}:
            return self._sample(name, seed), skipped
        if name not in there:
            choices = ", ".join(filter(None, sorted(there))) or "train, test"
            raise ValueError(f"{self.folder} has the splits {choices}, and {name!r} is none of them: choose one.")
        return self.pairs.get(name, []), skipped

    def _sample(self, name: str, seed: int) -> list[PairFiles]:
        pool = self.pairs.get("", self.pairs.get("train", []))
        shuffled = sorted(pool, key=lambda pair: sha256(os.fsencode(f"{seed} {pair.name}")).digest())
        test = set(shuffled[: max(1, round(TEST_SHARE * len(pool)))])
        return [pair for pair in pool if (pair in test) == (name == "test")]


def find_pairs(folder: str | Path, targets: str | Path | None = None) -> Layout:
    """Find how the images in a folder make pairs.

    - Side by side: each file holds both images.
    - Two folders, A and B (or source and target, input and output): files of the same name, whatever their endings, are
      a pair. Or give the two folders: ``folder`` with the sources, and ``targets``.

    Either may lie in the splits train, val and test, above or below A and B (also: trainA), and all of it in one more
    folder, as archives often do.

    Raises:
        FileNotFoundError: if there is no such folder, or no image in it.
    """
    roots = [Path(folder)] if targets is None else [Path(folder), Path(targets)]
    found = [_Image(file, roots, side) for side, root in enumerate(roots) for file in _images(root)]
    if any(image.side is not None for image in found):
        return _join(roots[0], found)
    return _side_by_side(roots[0], found)


class _Image:
    """An image file: its split, side and name, as its path tells them."""

    def __init__(self, file: Path, roots: list[Path], root: int):
        relative = file.relative_to(roots[root])
        self.file, self.name = file, (file if len(roots) > 1 else relative).as_posix()
        self.split, self.side, self.fixed, between = "", root if len(roots) > 1 else None, len(roots) > 1, []
        for part in relative.parts[:-1]:
            named = _NAMED.fullmatch(part)
            if not named or not any(named.groups()):
                between.append(part)
                continue
            self.split = (named["split"] or self.split).lower()
            if named["side"] and len(roots) == 1:
                side = named["side"].lower()
                self.side, self.fixed = int(side[0] in "bto"), len(side) > 1  # b, target, output
        self.between = "/".join(between)
        self.key = unicodedata.normalize("NFC", "/".join([*between, relative.stem]))  # macOS writes é as e and ´

    def skip(self, why: str) -> Skipped:
        return Skipped(self.split, self.name, why)


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: give the one that holds the pairs.")
    files = [file for file in folder.rglob("*") if is_image(file) and not _is_hidden(file.relative_to(folder))]
    if not files:
        kinds = ", ".join(EXTENSIONS)
        raise FileNotFoundError(f"{folder} holds no image ({kinds}): give the folder that holds the pairs.")
    return sorted(files, key=_by_number)


def _side_by_side(folder: Path, found: list[_Image]) -> Layout:
    pairs, skipped, wrapper = {}, [], _wrapper(found)
    for image in found:
        if image.between == wrapper:
            pairs.setdefault(image.split, []).append(PairFiles(image.file.name, image.file, None))
        else:
            skipped.append(image.skip("lies in a folder that is neither a split (train, val, test) nor a side (A, B)"))
    return _without_strays(Layout(folder, pairs, skipped, fixed=False))


def _join(folder: Path, found: list[_Image]) -> Layout:
    pairs, skipped, sides = {}, [], ({}, {})
    for image in found:
        if image.side is None:
            skipped.append(image.skip("lies neither in A nor in B"))
            continue
        first = sides[image.side].setdefault((image.split, image.key), image)
        if first is not image:
            skipped.append(image.skip(f"has the same name as {first.name}"))
    wrapper = _wrapper(found)
    for key, image in sides[0].items():
        if key in sides[1]:
            name = image.key.removeprefix(f"{unicodedata.normalize('NFC', wrapper)}/")
            pairs.setdefault(image.split, []).append(PairFiles(name, image.file, sides[1][key].file))
    for these, others in (sides, sides[::-1]):
        skipped += [image.skip("has no partner of the same name") for key, image in these.items() if key not in others]
    return _without_strays(Layout(folder, pairs, skipped, fixed=any(image.fixed for image in found)))


def _wrapper(found: list[_Image]) -> str:
    """The one extra folder that holds all images, as in many archives."""
    between = {image.between for image in found}
    return between.pop() if len(between) == 1 else ""


def _without_strays(layout: Layout) -> Layout:
    """Leave out the pairs that lie in no split, if others do."""
    if len(layout.pairs) > 1 and "" in layout.pairs:
        why = f"lies in none of the splits {', '.join(filter(None, layout.pairs))}"
        layout.skipped.extend(Skipped("", pair.name, why) for pair in layout.pairs.pop(""))
    return layout


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _by_number(file: Path) -> tuple:
    """Sort key: numbers by value, before names by letters."""
    number = int(file.stem) if file.stem.isdecimal() else None
    return (number is None, number or 0, file.name, file)

"""Layout of a folder: which files make pairs, by their names only."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ..utils.images import is_image

TEST_SHARE = 0.1  # of the pairs are for testing, if the folder has no splits of its own

# A folder's name may say a split, a side or both: train, A, trainA, train_A
_NAMED = re.compile(
    r"(?:(?P<split>train|val|test)(?:ing|id|idation)?)?[ _-]?(?P<side>a|b|sources?|targets?|inputs?|outputs?)?",
    re.IGNORECASE | re.ASCII,
)
ADVICE = {  # for files that are no images, by their endings; "" is any other
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z"): "is an archive: unpack it, or give it as PAIRS",
    (".pt", ".pth", ".ckpt", ".safetensors"): "is no image but weights: train(start=read_run(its folder)) goes on",
    (".npz", ".mat", ".nii", ".dcm", ".exr"): "can't be read: save each channel as .npy, or as 16-bit PNG",
    ("",): "is of no kind that Pillow opens: save it as PNG or JPEG",
}
_SIDECAR = re.compile(  # what lies beside images as a matter of course, and isn't named as left out
    r"thumbs\.db|desktop\.ini|training\.lock|(readme|licen[cs]e)(\.\w+)?|.*\.(txt|md|json|xml|csv)", re.IGNORECASE
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
    """The pairs of a folder."""

    folder: Path
    pairs: dict[str, list[PairFiles]]  # by split: train, val, test, or "" where there are no splits
    skipped: list[Skipped]
    fixed: bool  # whether ``first`` is the source whatever the direction, since the folders are called so

    def split(self, name: str | None, seed: int = 0) -> tuple[list[PairFiles], dict[str, str]]:
        """The pairs of a split, and the files left out of it, with the reasons. None is all, if there are no splits.

        "test" means val if there is no test. If there is neither, a tenth of the pairs is sampled by ``seed`` to be
        "test", and the others are "train". Raises ValueError if there is no such split.
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
            which = "" if name is None else f", and {name!r} is none of them"
            raise ValueError(f"{self.folder} has the splits {choices}{which}: choose one.")
        return self.pairs.get(name, []), skipped

    def _sample(self, name: str, seed: int) -> list[PairFiles]:
        pool = self.pairs.get("", self.pairs.get("train", []))
        shuffled = sorted(pool, key=lambda pair: sha256(os.fsencode(f"{seed} {pair.name}")).digest())
        test = set(shuffled[: max(1, round(TEST_SHARE * len(pool)))])
        return [pair for pair in pool if (pair in test) == (name == "test")]


def find_pairs(folder: str | Path, targets: str | Path | None = None) -> Layout:
    """Find how the images in a folder make pairs.

    - Side by side: each file holds both images. ``folder`` may be such a file itself.
    - Two endings: most images come as x.jpg beside x.png. B has the ending that is last in the alphabet (in the CMP
      data base, the label maps).
    - Two folders, A and B (or source and target, input and output): files of the same name, whatever their endings, are
      a pair. Or give the two folders: ``folder`` with the sources, and ``targets``.

    Either may lie in the splits train, val and test, above or below A and B (also: trainA), and all of it in one more
    folder, as archives often do.

    Linked folders are followed, but no links in those.

    Raises:
        FileNotFoundError: if there is no such folder, or no image in it.
        ValueError: if there are folders A, B and C, so that A and B may not be the two sides.
    """
    roots = [Path(folder)] if targets is None else [Path(folder), Path(targets)]
    if targets is None and is_image(roots[0]) and roots[0].is_file():
        return Layout(roots[0], {"": [PairFiles(roots[0].name, roots[0], None)]}, [], fixed=False)
    found, skipped = [], []
    for side, root in enumerate(roots):
        for file, why in _files(root):
            image = _Image(file, roots, side)
            (skipped if why else found).append(image.skip(why) if why else image)
    if targets is None:
        _refuse_third_side(roots[0], found)
    counts = Counter((image.split, image.key) for image in found)
    twins = {image for image in found if counts[image.split, image.key] > 1}  # but for their endings
    if 2 * len(twins) > len(found) and all(image.side is None for image in found):
        second = max(image.ending for image in twins)
        for image in found:
            image.side = int(image.ending == second)
    if any(image.side is not None for image in found):
        pairs = _join(found, skipped)
    else:
        pairs = _side_by_side(found, skipped, twins)
    if len(pairs) > 1 and "" in pairs:
        why = f"lies in none of the splits {', '.join(filter(None, pairs))}"
        skipped += [Skipped("", pair.name, why) for pair in pairs.pop("")]
    return Layout(roots[0], pairs, skipped, fixed=any(image.fixed for image in found))


class _Image:
    """An image file: its split, side and name, as its path tells them."""

    def __init__(self, file: Path, roots: list[Path], root: int):
        relative, self.ending = file.relative_to(roots[root]), file.suffix.lower()
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


def _files(folder: Path) -> list[tuple[Path, str]]:
    """The files in a folder in order, each with the reason why it makes no pair, or "" if it is an image."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: give the one that holds the pairs.")
    files = sorted(_walk(folder), key=lambda item: _by_number(item[0]))
    if not files:
        raise FileNotFoundError(f"{folder} holds no image: give the folder that holds the pairs.")
    return files


def _walk(folder: Path, linked: bool = False) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*"):  # which follows no links
        if any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts):
            continue
        special = path.exists() and not path.is_dir() and not path.is_file()
        if is_image(path) and not path.is_dir() and not special:
            yield path, ""
        elif path.is_symlink() and path.is_dir():
            if linked or path.parent.resolve().is_relative_to(path.resolve()):
                yield path, "is a link to a folder that it lies in, or a link in a linked folder: it isn't followed"
            else:
                yield from _walk(path, linked=True)
        elif special:  # such as a pipe, which is never read to its end
            yield path, "is no regular file"
        elif not path.is_dir() and not _SIDECAR.fullmatch(path.name):
            yield path, next(words for ends, words in ADVICE.items() if path.name.lower().endswith(ends))


def _refuse_third_side(folder: Path, found: list[_Image]) -> None:
    """Raise ValueError if a folder C lies beside A or B: they may be classes of pairs, and not the two sides."""
    beside = {}
    for inner in {image.file.parent.relative_to(folder) for image in found}:
        for part in (inner, *inner.parents):
            beside.setdefault(part.parent, set()).add(part.name)
    for parent, names in beside.items():
        letters = sorted((name for name in names if len(name) == 1), key=str.lower)
        if "c" in map(str.lower, letters) and letters[0].lower() in "ab":
            raise ValueError(
                f"{folder / parent} has the folders {', '.join(letters)}: if each file is a pair side by side, put "
                "them all into one folder; if A and B are the two sides, move the others elsewhere."
            )


def _side_by_side(found: list[_Image], skipped: list[Skipped], twins: set[_Image]) -> dict[str, list[PairFiles]]:
    pairs, wrapper = {}, _wrapper(found)
    for image in found:
        if image.between != wrapper:
            skipped.append(
                image.skip(
                    "lies in a folder that is neither a split (train, val, test) nor a side (A, B): if it holds one "
                    "side, give the folder of the other side as targets= (--targets)"
                )
            )
        elif image in twins:
            skipped.append(image.skip("has the same name as another file: rename or delete one of them"))
        else:
            pairs.setdefault(image.split, []).append(PairFiles(image.file.name, image.file, None))
    return pairs


def _join(found: list[_Image], skipped: list[Skipped]) -> dict[str, list[PairFiles]]:
    pairs, sides = {}, ({}, {})
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
    return pairs


def _wrapper(found: list[_Image]) -> str:
    """The one extra folder that holds all images, as in many archives."""
    between = {image.between for image in found}
    return between.pop() if len(between) == 1 else ""


def _by_number(file: Path) -> tuple:
    """Sort key: numbers by value, before names by letters."""
    number = int(file.stem) if file.stem.isdecimal() else None
    return (number is None, number or 0, file.name, file)

"""Layouts: which files make pairs is told by their names only, and no file is lost on the way."""

import os
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pix2pix_colab.data.folders import Layout, find_pairs


def lay(folder: Path, *names: str) -> Path:
    """Lay empty files: what is in them doesn't count."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def told(layout: Layout) -> dict[str, list[tuple[str, ...]]]:
    """By split, the files of each pair, relative to the folder."""
    return {
        split: [tuple(file.relative_to(layout.folder).as_posix() for file in pair[1:] if file) for pair in pairs]
        for split, pairs in layout.pairs.items()
    }


def reasons(layout: Layout) -> dict[str, str]:
    return {skipped.name: skipped.why for skipped in layout.skipped}


SIDES = ["A B", "a b", "source target", "Sources Targets", "input output", "inputs outputs"]


@pytest.mark.parametrize("wrapper", ["", "facades/", "my photos/2024/"])
@pytest.mark.parametrize("sides", SIDES)
def test_two_folders_make_pairs(tmp_path, sides, wrapper):
    first, second = (f"{wrapper}{side}" for side in sides.split())
    layout = find_pairs(lay(tmp_path, *(f"{side}/{n}.png" for side in (second, first) for n in (10, 2))))
    assert told(layout) == {"": [(f"{first}/{n}.png", f"{second}/{n}.png") for n in (2, 10)]}
    assert layout.skipped == []
    assert layout.fixed == (sides.lower() != "a b")


@pytest.mark.parametrize("wrapper", ["", "facades/", "my photos/2024/"])
@pytest.mark.parametrize(
    "pattern",
    ["{split}/{side}", "{side}/{split}", "{split}{side}", "{split}_{side}", "{split}-{side}", "{split} {side}"],
)
@pytest.mark.parametrize("sides", ["AB", ("source", "target")], ids=["A, B", "source, target"])
def test_splits_may_lie_above_or_below_the_two_folders(tmp_path, pattern, wrapper, sides):
    def file(split: str, side: str) -> str:
        return wrapper + pattern.format(split=split, side=side) + "/1.png"

    splits = ("train", "val", "test")
    layout = find_pairs(lay(tmp_path, *(file(split, side) for split in splits for side in sides)))
    assert told(layout) == {split: [(file(split, sides[0]), file(split, sides[1]))] for split in sorted(splits)}
    assert layout.skipped == []


@pytest.mark.parametrize("wrapper", ["", "facades/", "my photos/2024/"])
@pytest.mark.parametrize("splits", [("",), ("train/", "test/"), ("train/", "val/", "test/"), ("train/",)])
def test_files_side_by_side_are_pairs_each(tmp_path, wrapper, splits):
    names = [f"{wrapper}{split}{n}.jpg" for split in splits for n in (1, 2)]
    layout = find_pairs(lay(tmp_path, *names))
    assert told(layout) == {
        split.rstrip("/"): [(f"{wrapper}{split}{n}.jpg",) for n in (1, 2)] for split in sorted(splits)
    }
    assert layout.skipped == [] and not layout.fixed


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("Train", "train"),
        ("TRAINING", "train"),
        ("val", "val"),
        ("Valid", "val"),
        ("validation", "val"),
        ("test", "test"),
        ("Testing", "test"),
    ],
)
def test_a_split_is_known_by_its_usual_names(tmp_path, folder, split):
    assert told(find_pairs(lay(tmp_path, f"{folder}/1.png"))) == {split: [(f"{folder}/1.png",)]}


@pytest.mark.parametrize("folder", ["ida", "ab", "ing", "contest", "trained", "A1", "tests", "ſource", "-", "atrain"])
def test_other_folders_are_neither_split_nor_side(tmp_path, folder):
    layout = find_pairs(lay(tmp_path, "1.png", f"{folder}/2.png"))
    assert told(layout) == {"": [("1.png",)]}
    assert reasons(layout) == {
        f"{folder}/2.png": "lies in a folder that is neither a split (train, val, test) nor a side (A, B): if it holds "
        "one side, give the folder of the other side as targets= (--targets)"
    }


def test_two_folders_of_other_names_are_no_pairs_and_every_file_is_named(tmp_path):
    names = ["labels/1.png", "labels/2.png", "photos/1.jpg", "photos/2.jpg"]
    layout = find_pairs(lay(tmp_path, *names))
    assert layout.pairs == {} and sorted(reasons(layout)) == names
    assert all("neither a split (train, val, test) nor a side (A, B)" in why for why in reasons(layout).values())


def test_the_two_folders_can_be_given(tmp_path):
    lay(tmp_path, "photos/test/2.jpg", "photos/10.jpg", "photos/A/3.jpg", "labels/10.png", "labels/test/2.png")
    layout = find_pairs(tmp_path / "photos", tmp_path / "labels")
    assert layout.fixed
    photo, label = (tmp_path / name for name in ("photos/test/2.jpg", "labels/test/2.png"))
    assert layout.split("test")[0] == [("2", photo, label)]
    assert reasons(layout) == {
        f"{tmp_path}/photos/A/3.jpg": "has no partner of the same name",
        "10": "lies in none of the splits test",
    }


def test_endings_may_differ(tmp_path):
    layout = find_pairs(lay(tmp_path, "A/1.png", "A/2.JPG", "A/3.4.webp", "B/1.tif", "B/2.jpeg", "B/3.4.bmp"))
    assert told(layout) == {"": [("A/1.png", "B/1.tif"), ("A/2.JPG", "B/2.jpeg"), ("A/3.4.webp", "B/3.4.bmp")]}
    assert layout.skipped == []


@pytest.mark.parametrize(
    "name", ["Müllerstraße 5", "façade à côté", "写真", "가각", "🏠🏡", " two  spaces ", "a.b.c", "%20#?"]
)
@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
def test_names_of_any_script_find_their_partner(tmp_path, name, forms):
    first, second = (unicodedata.normalize(form, name) for form in forms)
    layout = find_pairs(lay(tmp_path, f"A/{first}/{first}.png", f"B/{second}/{second}.png"))
    assert told(layout) == {"": [(f"A/{first}/{first}.png", f"B/{second}/{second}.png")]}


def test_a_name_that_is_no_unicode_can_be_sampled(tmp_path):
    files = [Path(folder) / b"fa\xe7ade.png".decode(errors="surrogateescape") for folder in "AB"]  # Latin-1
    layout = find_pairs(lay(tmp_path, *map(str, files)))
    assert len(layout.split("test")[0]) == 1


def test_numbers_are_sorted_by_value_and_before_names(tmp_path):
    names = ["1.png", "2.png", "03.png", "10.png", "100.png", "a.png", "b.png"]
    layout = find_pairs(lay(tmp_path, *reversed(names)))
    assert [name for (name,) in told(layout)[""]] == names


def test_the_second_of_two_files_of_one_name_is_left_out(tmp_path):
    layout = find_pairs(lay(tmp_path, "A/1.jpg", "A/1.png", "B/1.png", "B/2.png"))
    assert told(layout) == {"": [("A/1.jpg", "B/1.png")]}
    assert reasons(layout) == {"A/1.png": "has the same name as A/1.jpg", "B/2.png": "has no partner of the same name"}


def test_files_without_a_partner_are_left_out_on_either_side(tmp_path):
    layout = find_pairs(
        lay(tmp_path, "train/A/1.png", "train/A/2.png", "train/B/2.png", "train/B/3.png", "test/B/1.png")
    )
    assert told(layout) == {"train": [("train/A/2.png", "train/B/2.png")]}
    alone = "has no partner of the same name"
    assert reasons(layout) == {"train/A/1.png": alone, "train/B/3.png": alone, "test/B/1.png": alone}
    assert layout.split("train")[1] == {"train/A/1.png": alone, "train/B/3.png": alone}


def test_strays_are_left_out(tmp_path):
    layout = find_pairs(lay(tmp_path, "A/1.png", "B/1.png", "preview.png"))
    assert (told(layout), reasons(layout)) == (
        {"": [("A/1.png", "B/1.png")]},
        {"preview.png": "lies neither in A nor in B"},
    )
    layout = find_pairs(lay(tmp_path / "split", "train/1.png", "test/1.png", "preview.png"))
    assert told(layout) == {"train": [("train/1.png",)], "test": [("test/1.png",)]}
    assert reasons(layout) == {"preview.png": "lies in none of the splits test, train"}


def test_hidden_files_are_passed_over(tmp_path):
    hidden = ["._1.png", ".cache/2.png", "__MACOSX/A/1.png", "B/__MACOSX/._1.png", "A/.ipynb_checkpoints/1.png"]
    layout = find_pairs(lay(tmp_path / ".hidden", "A/1.png", "B/1.png", "A/Thumbs.db", "notes.txt", *hidden))
    assert (told(layout), layout.skipped) == ({"": [("A/1.png", "B/1.png")]}, [])


def test_an_image_of_any_kind_that_pillow_opens_is_taken(tmp_path):
    names = [f"{n}.{ending}" for n, ending in enumerate(("jfif", "GIF", "ppm", "jp2", "tga", "webp"))]
    layout = find_pairs(lay(tmp_path, *names))
    assert (told(layout), layout.skipped) == ({"": [(name,) for name in names]}, [])


def test_other_files_are_named_but_not_those_that_lie_beside_images_as_a_matter_of_course(tmp_path):
    beside = ["train/1.xml", "train/Thumbs.db", "labels.csv", "data.JSON", "README", "LICENSE.rst", "notes.md", ".git"]
    layout = find_pairs(lay(tmp_path, "train/1.png", "train/2.heic", "test/3.dat", "1.png.partial", "more", *beside))
    why = "is of no kind that Pillow opens: save it as PNG or JPEG"
    assert told(layout) == {"train": [("train/1.png",)]}
    assert reasons(layout) == dict.fromkeys(["train/2.heic", "test/3.dat", "1.png.partial", "more"], why)
    assert layout.split("train")[1].keys() == {"train/2.heic", "1.png.partial", "more"}


def test_linked_folders_are_followed_one_level_and_in_no_loop(tmp_path):
    lay(tmp_path / "elsewhere", "1.png", "2.png", "deeper/3.png")
    folder = lay(tmp_path / "pairs", "B/1.png", "B/2.png")
    (folder / "A").symlink_to(tmp_path / "elsewhere")
    (folder / "B" / "loop").symlink_to(folder)
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "elsewhere" / "deeper")
    layout = find_pairs(folder)
    assert told(layout) == {"": [("A/1.png", "B/1.png"), ("A/2.png", "B/2.png")]}
    why = "is a link to a folder that it lies in, or a link in a linked folder: it isn't followed"
    assert reasons(layout) == {"A/link": why, "B/loop": why, "A/deeper/3.png": "has no partner of the same name"}


@pytest.mark.parametrize("wrapper", ["", "train/", "base/"])
def test_two_endings_of_each_name_make_pairs(tmp_path, wrapper):
    """As in the CMP data base: photo, label map and annotation; the photo is A."""
    files = [f"{wrapper}cmp_b000{n}.{ending}" for n in (1, 2) for ending in ("jpg", "png", "xml")]
    layout = find_pairs(lay(tmp_path, *files, f"{wrapper}3.png"))
    assert list(told(layout).values()) == [[tuple(files[:2]), tuple(files[3:5])]]
    assert reasons(layout) == {f"{wrapper}3.png": "has no partner of the same name"} and not layout.fixed


def test_a_few_files_of_one_name_among_pairs_side_by_side_are_left_out(tmp_path):
    layout = find_pairs(lay(tmp_path, "1.jpg", "1.png", *(f"{n}.jpg" for n in range(2, 9))))
    assert [name for (name,) in told(layout)[""]] == [f"{n}.jpg" for n in range(2, 9)]
    assert reasons(layout) == dict.fromkeys(
        ["1.jpg", "1.png"], "has the same name as another file: rename or delete one of them"
    )


@pytest.mark.parametrize("where", ["", "train/", "my pairs/"])
def test_folders_a_b_and_c_are_not_taken_for_two_sides(tmp_path, where):
    lay(tmp_path, *(f"{where}{letter}/{n}.png" for letter in "abcd" for n in (1, 2)))
    with pytest.raises(ValueError, match=r"has the folders a, b, c, d: if each file is a pair side by side, put them"):
        find_pairs(tmp_path)


def test_one_file_is_a_folder_of_one_pair(tmp_path):
    file = lay(tmp_path, "1.png", "2.png") / "1.png"
    assert find_pairs(file).pairs == {"": [("1.png", file, None)]}


def test_folders_within_the_two_folders_must_be_the_same(tmp_path):
    layout = find_pairs(
        lay(tmp_path, "A/x/1.png", "A/y/1.png", "B/x/1.png", "B/z/1.png", "A/x/deep/er/2.png", "B/x/deep/er/2.jpg")
    )
    assert [pair.name for pair in layout.pairs[""]] == ["x/1", "x/deep/er/2"]
    assert set(reasons(layout)) == {"A/y/1.png", "B/z/1.png"}


# --- splits


@pytest.fixture
def flat(tmp_path) -> Layout:
    return find_pairs(lay(tmp_path, *(f"{n}.png" for n in range(200))))


def names(layout: Layout, split: str | None, seed: int = 0) -> list[str]:
    return [pair.name for pair in layout.split(split, seed)[0]]


def test_a_sampled_split_is_whole_disjoint_and_in_order(flat):
    everything, train, test = (names(flat, split) for split in (None, "train", "test"))
    assert len(everything) == 200 and len(test) == 20
    assert sorted(train + test) == sorted(everything)
    assert [name for name in everything if name in set(test)] == test


def test_a_sampled_split_follows_only_its_seed(flat, tmp_path):
    assert names(flat, "test") == names(find_pairs(tmp_path), "test")
    assert names(flat, "test") == names(find_pairs(lay(tmp_path / "moved", *names(flat, None))), "test")
    others = [set(names(flat, "test", seed)) for seed in range(5)]
    assert len(set(map(frozenset, others))) == 5 and len(set.union(*others)) > 60


@pytest.mark.parametrize(("count", "tested"), [(1, 1), (2, 1), (9, 1), (16, 2), (44, 4)])
def test_a_tenth_and_at_least_one_is_sampled(tmp_path, count, tested):
    layout = find_pairs(lay(tmp_path, *(f"{n}.png" for n in range(count))))
    assert (len(names(layout, "test")), len(names(layout, "train"))) == (tested, count - tested)


def test_if_there_is_only_train_test_is_sampled_from_it(tmp_path):
    layout = find_pairs(lay(tmp_path, *(f"train/{n}.png" for n in range(30))))
    assert (len(names(layout, "test")), len(names(layout, "train"))) == (3, 27)


def test_val_stands_in_for_test(tmp_path):
    layout = find_pairs(lay(tmp_path, "train/1.png", "validation/2.png"))
    assert names(layout, "test") == names(layout, "val") == ["2.png"] and names(layout, "train") == ["1.png"]
    layout = find_pairs(lay(tmp_path, "test/3.png"))
    assert names(layout, "test") == ["3.png"] and names(layout, "val") == ["2.png"]


@pytest.mark.parametrize(
    ("files", "asked", "choices"),
    [
        (["train/1.png", "test/1.png"], "val", "test, train, and 'val' is none of them"),
        (["train/1.png", "test/1.png"], None, "test, train"),
        (["train/1.png", "test/1.png"], "Train", "test, train, and 'Train' is none of them"),
        (["test/1.png"], "train", "test, and 'train' is none of them"),
        (["1.png"], "val", "train, test, and 'val' is none of them"),
        (["A/1.png", "B/1.png"], "", None),
    ],
)
def test_another_split_gets_a_sentence(tmp_path, files, asked, choices):
    layout = find_pairs(lay(tmp_path, *files))
    if choices is None:
        assert len(names(layout, asked)) == 1  # "" is no split, as None is
        return
    with pytest.raises(ValueError, match=rf"{tmp_path} has the splits {choices}: choose one"):
        layout.split(asked)


# --- nothing is lost

FOLDERS = ("train", "Val", "testing", "A", "b", "trainB", "test_a", "target", "source", "x", "é", "ida", "wrapper")
PATHS = st.builds(
    lambda folders, stem, ending: "/".join([*folders, stem + ending]),
    st.lists(st.sampled_from(FOLDERS), max_size=3),
    st.one_of(
        st.sampled_from("123"), st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=5)
    ),
    st.sampled_from((".png", ".JPG", ".tif", ".webp")),
).filter(lambda path: not Path(path).name.startswith("."))


@settings(max_examples=200, deadline=None)
@given(st.sets(PATHS, min_size=1, max_size=12))
@example({"A/x/1.png", "B/x/1.jpg", "train/A/1.png", "train/B/1.png"})
@example({"wrapper/train/1.png", "wrapper/1.png"})
def test_every_file_is_in_one_pair_or_skipped(paths):
    with tempfile.TemporaryDirectory() as folder:
        layout = find_pairs(lay(Path(folder), *paths))
        paired = [file for pairs in told(layout).values() for pair in pairs for file in pair]
    assert len(paired) == len(set(paired)) and set(paired) <= paths
    outside = {skipped.name for skipped in layout.skipped if "lies in none of the splits" in skipped.why}  # pairs
    skipped = {skipped.name for skipped in layout.skipped if skipped.name not in outside}
    assert not set(paired) & skipped
    for lost in paths - set(paired) - skipped:
        assert any(
            unicodedata.normalize("NFC", lost).rsplit(".", end)[0].endswith(name) for name in outside for end in (0, 1)
        )
    if layout.pairs and not {"val", "test"} & {*layout.pairs, *(skipped.split for skipped in layout.skipped)}:
        both = layout.split("train")[0] + layout.split("test")[0]
        assert sorted(both) == sorted(*layout.pairs.values())
    for split in layout.pairs.keys() & {"val", "test"}:
        assert layout.split(split)[0] == layout.pairs[split]


def test_what_is_no_regular_file_is_named_and_a_folder_is_a_folder(tmp_path):
    """A pipe called x.png would be read for ever."""
    os.mkfifo(tmp_path / "x.png")
    layout = find_pairs(lay(tmp_path, "album.jpg/1.png"))
    assert reasons(layout) == {"x.png": "is no regular file"}
    assert told(layout) == {"": [("album.jpg/1.png",)]}

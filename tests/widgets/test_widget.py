"""The slider holds exactly what it was given, moves as it is told, and its page needs nothing but itself."""

import base64
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from traitlets import TraitError

from pix2pix_colab import slider as older
from pix2pix_colab import widgets
from pix2pix_colab.widgets import ImageUpload, LambdaSlider, describe_positions

LAMBDAS = (0, 1, 100, math.inf)
OUTPUTS = {k: [f"λ = {k}, image {i}".encode() for i in range(3)] for k in LAMBDAS}
SOURCES, TARGETS = ([f"{kind} {i}".encode() for i in range(3)] for kind in ("source", "target"))
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def slider() -> LambdaSlider:
    return LambdaSlider(
        OUTPUTS, SOURCES, TARGETS, {"L1 ↓": {0: 0.5, 1: math.inf, 100: 0.25}}, "of 24 images", ["a", "b", "c"]
    )


def test_notebooks_saved_before_december_2026_find_all_names():
    """Also after ``make format``, which deletes imports that look unused."""
    names = [name for name, value in vars(widgets).items() if callable(value)]
    assert {"LambdaSlider", "encode", "board_of_pairs"} <= set(names)
    assert all(getattr(older, name) is getattr(widgets, name) for name in names)


def test_it_starts_at_the_papers_choice_or_where_it_is_told_to(slider):
    assert slider.value == 100 and slider.index == 2 and slider.image == 0
    assert LambdaSlider(OUTPUTS, SOURCES, value=0).value == 0
    assert LambdaSlider(OUTPUTS, SOURCES, value=math.inf).value == math.inf
    assert LambdaSlider({10: OUTPUTS[0], 1: OUTPUTS[1]}, SOURCES).value == 1  # the first, if there is no 100


def test_setting_the_value_moves_it(slider):
    for i, lambda_l1 in [*enumerate(LAMBDAS), *reversed(list(enumerate(LAMBDAS)))]:
        slider.value = lambda_l1
        assert (slider.index, slider.value) == (i, lambda_l1)
        assert slider.get_state()["index"] == i, "the browser is told"


def test_moving_it_in_the_browser_changes_the_value(slider):
    for i, lambda_l1 in enumerate(LAMBDAS):
        slider.set_state({"index": i, "image": 2})  # as the browser does
        assert slider.value == lambda_l1 and slider.image == 2


def test_it_holds_what_it_was_given(slider):
    data = slider.data
    assert data["outputs"] == list(OUTPUTS.values())
    assert (data["sources"], data["targets"], data["names"]) == (SOURCES, TARGETS, ["a", "b", "c"])
    assert data["metrics"] == [{"name": "L1 ↓", "values": [0.5, None, 0.25, None]}]
    assert data["caption"] == "of 24 images"
    assert slider.get_state()["data"] == data


def test_stops_stand_in_the_order_of_lambda_and_are_said_in_words():
    slider = LambdaSlider(dict(reversed(OUTPUTS.items())), SOURCES)
    assert slider.data["outputs"] == list(OUTPUTS.values())
    stops = slider.data["positions"]
    assert all(stop["stop"] for stop in stops)
    assert [stop["short"] for stop in stops] == ["0", "1", "100", "L1 only"]
    assert [stop["label"] for stop in stops] == ["λ = 0", "λ = 1", "λ = 100", "L1 only"]
    assert stops[2]["meaning"] == "the paper's choice: a balance"


PATH = [0, 0.4, 1, 31.6, 100, 150, 250, math.inf]


@pytest.fixture
def path_slider() -> LambdaSlider:
    outputs = {k: [f"λ = {k}".encode()] for k in reversed(PATH)}
    return LambdaSlider(outputs, [b"source"], metrics={"L1 ↓": {0: 0.5, 31.6: 0.25}}, stops=[math.inf, 1, 0, 100])


def test_what_is_between_two_close_stops_is_not_rounded_to_one_of_them():
    lambdas = [123, 123.25, 123.5, 124]
    slider = LambdaSlider({k: [b"output"] for k in lambdas}, [b"source"], stops=[123, 124])
    assert [each["short"] for each in slider.data["positions"]] == ["123", "123.25", "123.5", "124"]


def test_what_is_between_two_stops_is_said_to_be_interpolated(path_slider):
    positions = path_slider.data["positions"]
    assert [each["stop"] for each in positions] == [True, False, True, False, True, False, False, True]
    assert [each["label"] for each in positions[:4]] == ["λ = 0", "λ = 0.4", "λ = 1", "λ = 32"]
    assert [each["label"] for each in positions[4:]] == ["λ = 100", "λ = 150", "λ = 250", "L1 only"]
    assert positions[1]["meaning"] == "interpolated between λ = 0 and λ = 1"
    meaning = "interpolated between λ = 1 and λ = 100"
    assert positions[3] == {"label": "λ = 32", "short": "32", "meaning": meaning, "stop": False}
    assert positions[6]["meaning"] == "interpolated between λ = 100 and L1 only"
    assert positions[4]["meaning"] == "the paper's choice: a balance"
    assert path_slider.stops == [0, 1, 100, math.inf] and path_slider.lambdas == PATH
    assert path_slider.data["metrics"] == [{"name": "L1 ↓", "values": [0.5, None, None, 0.25, None, None, None, None]}]
    assert describe_positions(PATH, [0, 1, 100, math.inf]) == positions, "for other controls, too"


def test_a_large_lambda_is_written_out():
    slider = LambdaSlider({k: [b"a"] for k in (1000, 1999.99, math.inf)}, [b"s"], stops=[1000, math.inf])
    assert slider.data["positions"][1]["label"] == "λ = 2000"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (31.6, 31.6),
        (5.7, 31.6),  # above the geometric mean of 1 and 31.6
        (5.5, 1),
        (0.21, 0.4),  # linear next to 0
        (0.19, 0),
        (499, 250),  # linear in 1/λ next to ∞
        (501, math.inf),
        (math.inf, math.inf),
    ],
)
def test_a_lambda_between_the_stops_of_a_path_goes_to_the_nearest_position(path_slider, given, shown):
    path_slider.value = given
    assert path_slider.value == shown and path_slider.get_state()["index"] == PATH.index(shown)


def test_from_0_to_infinity_the_middle_is_1():
    slider = LambdaSlider({k: [b"a"] for k in (0, math.inf, 2e9, 3e9)}, [b"s"], stops=[0, math.inf])
    slider.value = 1e9
    assert slider.value == 2e9


@pytest.mark.parametrize("number", [torch.tensor(31.0), np.float32(31), np.array(31), np.int64(31)], ids=repr)
def test_numbers_of_numpy_and_torch_are_taken(path_slider, number):
    path_slider.value = number
    assert path_slider.value == 31.6


@pytest.mark.parametrize("given", [-1, math.nan, None, "100", "1.5", np.array([1, 100]), torch.ones(2)], ids=repr)
def test_a_lambda_beside_a_path_gets_a_sentence(path_slider, given):
    with pytest.raises(ValueError, match=r"no images for λ = .*: choose 0, 1, 100, inf, or any λ between these"):
        path_slider.value = given
    assert path_slider.value == 100


@pytest.mark.parametrize("name", ["index", "image"])
@pytest.mark.parametrize("number", [-1, 4, 10**9, None, "1", 1.5])
def test_a_number_that_is_not_there_is_refused_and_nothing_changes(slider, name, number):
    before = slider.index, slider.image
    with pytest.raises(TraitError) as refused:
        setattr(slider, name, number)
    assert len(str(refused.value).split()) > 5 and (slider.index, slider.image) == before


def test_what_is_refused_says_what_there_is(slider):
    with pytest.raises(TraitError, match=r"^There is no λ with index 7: choose 0 to 3\.$"):
        slider.index = 7
    with pytest.raises(TraitError, match=r"^There is no test image with image 3: choose 0 to 2\.$"):
        slider.image = 3


@pytest.mark.parametrize("state", [{"index": 9}, {"image": -1}, {"index": 1, "image": 3}, {"index": None}])
def test_the_browser_is_refused_too_and_told_what_stands(slider, state):
    sent = []
    slider.send_state = lambda key=None: sent.append(slider.get_state(key))
    with pytest.raises(TraitError):
        slider.set_state(state)
    assert (slider.index, slider.image) == (2, 0) and sent[-1] == {"index": 2, "image": 0}
    slider.set_state({"index": 1, "image": 1})  # it goes on
    assert (slider.value, slider.image) == (1, 1)


@pytest.mark.parametrize("stops", [[], [0, 7, math.inf], [0, 100], [1, math.inf]])
def test_stops_without_outputs_get_a_sentence(stops):
    with pytest.raises(ValueError, match="The stops must be λ of the outputs, and the least and the greatest be among"):
        LambdaSlider(OUTPUTS, SOURCES, stops=stops)


def test_a_move_sends_a_number_and_no_image(slider):
    sent = []
    slider.comm.send = lambda data=None, buffers=None, **_: sent.append((data, buffers))
    slider.value = 0
    assert [message["state"] for message, _ in sent] == [{"index": 0}] and not sent[0][1]


@pytest.mark.parametrize("value", [7, -1, math.nan, "100", None])
def test_a_lambda_without_images_gets_a_sentence(slider, value):
    with pytest.raises(ValueError, match=r"^There are no images for λ = .*: choose one of 0, 1, 100, inf\.$"):
        slider.value = value
    assert slider.value == 100
    with pytest.raises(ValueError, match="There are no images for λ = 7"):
        LambdaSlider(OUTPUTS, SOURCES, value=7)


@pytest.mark.parametrize(
    "given",
    [
        ({}, []),
        ({0: []}, []),
        ({0: [b"a"], 1: [b"a", b"b"]}, [b"s"]),
        ({0: [b"a"]}, [b"s", b"s"]),
        ({0: [b"a"]}, [b"s"], [b"t", b"t"]),
        ({0: [b"a"]}, [b"s"], [b"t"], None, "", ["one", "two"]),
    ],
    ids=["nothing", "no image", "ragged", "two sources", "two targets", "two names"],
)
def test_what_is_ragged_or_empty_gets_a_sentence(given):
    with pytest.raises(ValueError, match="as many sources, targets and names as outputs of each λ, and at least one"):
        LambdaSlider(*given)


def state_of(page: Path) -> dict:
    return json.loads(re.search(r"^const state = (.*);$", page.read_text(encoding="utf-8"), re.MULTILINE).group(1))


def test_the_page_holds_every_image_once_and_stands_where_the_slider_stood(slider, tmp_path):
    slider.value, slider.image = 1, 2
    page = slider.save_page(tmp_path / "new" / "page.html")
    state = state_of(page)
    assert (state["index"], state["image"]) == (1, 2)
    decoded = [[base64.b64decode(image) for image in images] for images in state["data"]["outputs"]]
    assert decoded == list(OUTPUTS.values())
    assert [base64.b64decode(image) for image in state["data"]["sources"]] == SOURCES
    for images in (*state["data"]["outputs"], state["data"]["sources"], state["data"]["targets"]):
        assert all(page.read_text().count(f'"{image}"') == 1 for image in images)
    assert state["data"]["positions"] == slider.data["positions"]


def test_the_page_needs_nothing_from_elsewhere(slider, tmp_path):
    page = slider.save_page(tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|\bsrc=|\bhref=|@import|url\(|fetch\(|\bimport\b|{{\w+}}", page)


def test_words_cannot_break_the_page(tmp_path):
    evil = "</script><script>alert(1)</script>{{data}}{{title}}"
    slider = LambdaSlider(OUTPUTS, SOURCES, None, {evil: {0: 1.0}}, evil, [evil] * 3)
    page = slider.save_page(tmp_path / "page.html", title=evil).read_text(encoding="utf-8")
    assert page.count("</script>") == 1 and page.count("<script") == 1
    assert "<title>&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;{{data}}{{title}}</title>" in page
    assert state_of(tmp_path / "page.html")["data"]["caption"] == evil


def test_what_is_given_is_never_read_as_html():
    """Text goes into the page as text: innerHTML takes only what the module itself has written."""
    statements = re.findall(r"innerHTML\s*=([^;]*);", LambdaSlider._esm)
    assert statements and not re.search(r"outerHTML|insertAdjacentHTML|setHTML|document\.write", LambdaSlider._esm)
    for statement in statements:
        assert re.match(r" (BODY|[`'\"])", statement)
        assert set(re.findall(r"\$\{([^}]*)\}", statement)) <= {'points.join(" ")', 'dots.join("")'}, statement


@pytest.fixture
def upload() -> ImageUpload:
    """Of what it says it is: an image, or something else that fails."""
    failures = {b"bad": ValueError("your image <is no image>: choose another image."), b"odd": KeyError("a fault")}
    failures |= {b"large": MemoryError("Out of memory."), b"stopped": KeyboardInterrupt()}

    def compare(content: bytes) -> LambdaSlider:
        if content in failures:
            raise failures[content]
        return LambdaSlider({0: [b"a"]}, [content])

    return ImageUpload(compare)


def send(upload: ImageUpload, content: bytes) -> None:
    """As the browser does: buffers come as memoryviews."""
    upload.picker._handle_custom_msg({"name": "mine.png"}, [memoryview(content)])


def test_an_uploaded_image_is_compared_and_the_slider_before_it_closed(upload):
    for content in (b"first", b"second"):
        before = upload.slider
        send(upload, content)
        assert upload.children == (upload.picker, upload.slider) and upload.picker.message == ""
        assert upload.slider.data["sources"] == [content] and upload.slider.comm
    assert before.comm is None, "the second takes the place of the first, which the browser forgets"


def test_the_same_slider_again_stays_open_and_closing_the_upload_closes_all():
    slider = LambdaSlider({0: [b"a"]}, [b"a"])
    upload = ImageUpload(lambda content: slider)
    for _ in range(2):
        send(upload, b"good")
        assert slider.comm
    upload.close()
    assert slider.comm is None and upload.picker.comm is None and upload.comm is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"bad", "your image <is no image>: choose another image."),
        (b"large", "Out of memory."),
        (b"odd", "The kernel failed: KeyError: 'a fault'"),
        (b"stopped", "The kernel was interrupted: choose the image again."),
    ],
)
def test_a_file_that_fails_gets_a_sentence_and_another_can_follow(upload, content, words):
    for sent, shown in ((b"good", True), (content, False), (b"good", True)):
        before = upload.slider
        send(upload, sent)
        assert (upload.slider is not None) == shown == (len(upload.children) == 2)
        assert upload.picker.message == ("" if shown else words)
        assert not before or before.comm is None


def test_an_installed_package_has_the_page_too(tmp_path):
    """Colab installs plainly: what setuptools doesn't take along is missing there."""
    pytest.importorskip("setuptools")
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "MANIFEST.in"):
        if (PROJECT / name).exists():
            shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    build = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "build_py", "-d", "built"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    source, built = tmp_path / "src" / "pix2pix_colab", tmp_path / "built" / "pix2pix_colab"
    kept = {file.relative_to(source) for file in source.rglob("*") if file.is_file()}
    assert {file.relative_to(built) for file in built.rglob("*") if file.is_file()} == kept

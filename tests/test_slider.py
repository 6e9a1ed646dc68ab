"""The slider shows exactly the frame it stands at, in one picture, and its page needs nothing but itself."""

import base64
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pix2pix_colab.slider import LambdaSlider
from pix2pix_colab.slider import __file__ as slider_file

LAMBDAS = (0, 1, 100, math.inf)
FRAMES = {k: [f"λ = {k}, image {i}".encode() for i in range(3)] for k in LAMBDAS}
PROJECT = Path(__file__).parents[1]


@pytest.fixture
def slider() -> LambdaSlider:
    return LambdaSlider(FRAMES, notes={100: "L1 0.25 & SSIM < 0.4"})


def shown(slider: LambdaSlider) -> bytes:
    return bytes(slider.picture.value)


def test_it_starts_at_the_papers_choice(slider):
    assert slider.value == 100
    assert shown(slider) == FRAMES[100][0]


def test_it_starts_where_it_is_told_to():
    assert LambdaSlider(FRAMES, value=0).value == 0
    assert shown(LambdaSlider(FRAMES, value=math.inf)) == FRAMES[math.inf][0]
    assert LambdaSlider({10: FRAMES[0], 1: FRAMES[1]}).value == 1  # where there is no 100, at the first


def test_setting_the_value_moves_slider_and_picture(slider):
    for lambda_l1 in (*LAMBDAS, *reversed(LAMBDAS)):
        slider.value = lambda_l1
        assert slider.lambdas.value == slider.value == lambda_l1
        assert shown(slider) == FRAMES[lambda_l1][0]


def test_dragging_the_slider_moves_value_and_picture(slider):
    for i, lambda_l1 in enumerate(LAMBDAS):
        slider.lambdas.set_state({"index": i})  # as the browser does
        assert slider.value == lambda_l1
        assert shown(slider) == FRAMES[lambda_l1][0]


def test_the_test_image_can_be_chosen(slider):
    assert [label for label, _ in slider.images.options] == ["1 of 3", "2 of 3", "3 of 3"]
    for i in (2, 0, 1):
        slider.images.set_state({"index": i})
        assert shown(slider) == FRAMES[slider.value][i]
        for lambda_l1 in LAMBDAS:
            slider.value = lambda_l1
            assert shown(slider) == FRAMES[lambda_l1][i]


def test_stops_stand_in_the_order_of_lambda():
    slider = LambdaSlider(dict(reversed(FRAMES.items())))
    assert [label for label, _ in slider.lambdas.options] == ["0", "1", "100", "L1 only"]


def test_lambda_is_said_in_words(slider):
    assert "<b>λ = 100</b>: the paper's choice" in slider.words.value
    assert slider.words.value.endswith("<br>L1 0.25 &amp; SSIM &lt; 0.4")
    slider.value = math.inf
    assert slider.words.value == "<b>L1 only</b>: no adversarial loss: blurred"
    slider.lambdas.set_state({"index": 0})
    assert slider.words.value.startswith("<b>λ = 0</b>: the adversarial loss alone")


def test_moves_add_nothing(slider):
    children, width = slider.children, slider.picture.width
    for lambda_l1 in LAMBDAS * 5:
        slider.value = lambda_l1
    assert slider.children is children
    assert [child is slider.picture for child in children].count(True) == 1
    assert slider.picture.width == width == "768"
    assert slider.picture.format == "jpeg"


def test_two_sliders_are_apart(slider):
    other = LambdaSlider(FRAMES)
    other.value = 0
    assert slider.value == 100 and shown(slider) == FRAMES[100][0]


@pytest.mark.parametrize("value", [7, -1, math.nan, "100", None])
def test_a_lambda_without_images_gets_a_sentence(slider, value):
    with pytest.raises(ValueError, match=r"^There are no images for λ = .*: choose one of 0, 1, 100, inf\.$"):
        slider.value = value
    assert slider.value == 100 and shown(slider) == FRAMES[100][0]


def test_a_start_without_images_gets_a_sentence():
    with pytest.raises(ValueError, match="There are no images for λ = 7: choose one of 0, 1, 100, inf"):
        LambdaSlider(FRAMES, value=7)


@pytest.mark.parametrize("frames", [{}, {0: []}, {0: [], 1: []}, {0: [b"a"], 1: [b"a", b"b"]}])
def test_frames_that_are_ragged_or_empty_get_a_sentence(frames):
    with pytest.raises(ValueError, match="frames must hold for each λ the same number of images, and at least one"):
        LambdaSlider(frames)


def test_one_image_and_one_lambda_are_enough():
    slider = LambdaSlider({0: [b"only"]})
    assert slider.value == 0 and shown(slider) == b"only"


def data_of(page: str) -> dict:
    return json.loads(re.search(r"const data = (.*);\n", page).group(1))


def test_the_page_holds_every_frame_once(slider, tmp_path):
    path = slider.save_page(tmp_path / "new" / "page.html")
    page = path.read_text(encoding="utf-8")
    data = data_of(page)
    decoded = [[base64.b64decode(frame.removeprefix("data:image/jpeg;base64,")) for frame in f] for f in data["frames"]]
    assert decoded == list(FRAMES.values())
    for frames in data["frames"]:
        assert all(page.count(frame) == 1 for frame in frames)


def test_the_page_has_the_words_and_the_start_of_the_slider(slider, tmp_path):
    slider.value = 1
    data = data_of(slider.save_page(tmp_path / "page.html").read_text(encoding="utf-8"))
    assert data["stops"] == ["0", "1", "100", "L1 only"]
    assert data["start"] == 1
    for lambda_l1, words in zip(LAMBDAS, data["words"], strict=True):
        slider.value = lambda_l1
        assert words == slider.words.value


def test_the_page_needs_nothing_from_elsewhere(slider, tmp_path):
    page = slider.save_page(tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|\bsrc=|\bhref=|@import|url\(|fetch\(|\bimport\b", page)
    assert "{{" not in page


def test_words_cannot_break_the_page(tmp_path):
    slider = LambdaSlider(FRAMES, notes={0: "</script><b>"})
    page = slider.save_page(tmp_path / "page.html", title="<script>alert(1)</script> & λ").read_text(encoding="utf-8")
    title = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; λ"
    assert f"<title>{title}</title>" in page and f"<h1>{title}</h1>" in page
    assert page.count("</script>") == page.count("<script>") == 1


def test_the_slider_imports_nothing_heavy():
    """The package itself brings torch, so the module is imported without it, out of a package that is only a path."""
    package = "sys.modules['pix2pix_colab'] = types.ModuleType('pix2pix_colab', None); "
    path = f"sys.modules['pix2pix_colab'].__path__ = [{str(Path(slider_file).parent)!r}]; "
    check = "import pix2pix_colab.slider; assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"import sys, types; {package}{path}{check}"], check=True)


def test_an_installed_package_has_the_page_too(tmp_path):
    """Colab installs plainly: what setuptools doesn't take along is missing there."""
    pytest.importorskip("setuptools")
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "MANIFEST.in"):
        if (PROJECT / name).exists():
            shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    build = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "build_py", "-d", "built"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    kept = {file.name for file in (tmp_path / "src" / "pix2pix_colab").iterdir()}
    assert {file.name for file in (tmp_path / "built" / "pix2pix_colab").iterdir()} == kept

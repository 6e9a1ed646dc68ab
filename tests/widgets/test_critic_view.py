"""What the critic sees: in the slider, on the board of a notebook and on the page, as ``critic_map`` has it."""

import copy
import json
import math
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
import torch
from helpers.browser import PHONE, mount, touch
from helpers.flat_slider import LAMBDAS, make_slider
from helpers.tiny_boards import SIZE, SOURCE, ask, make_generator
from tools.browser import serve
from tools.build_site import build, invitation

from pix2pix_colab import LambdaPath, PatchDiscriminator, critic_map, translate
from pix2pix_colab.data import Pairs, nearest_classes, synthetic_facades
from pix2pix_colab.lambda_path import with_late_layers
from pix2pix_colab.widgets import DrawingBoard, LambdaSlider, slider_of_pairs, slider_of_path
from pix2pix_colab.widgets.encoding import encode_verdicts

playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")
CRITIC = Path(__file__).parents[2] / "src" / "pix2pix_colab" / "widgets" / "critic.js"
SIDE = 6  # patches, of images of 64 px


def make_discriminator(width: int = 2, channels: int = 3) -> PatchDiscriminator:
    """Whose verdicts differ: its last bias is that of an undecided one."""
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(width, channels)
    for parameter in discriminator.parameters():
        parameter.data *= 8
    return discriminator


def make_path() -> LambdaPath:
    generator = make_generator()
    darker = copy.deepcopy(generator.decoder[-1:].state_dict())
    darker["0.1.weight"] = darker["0.1.weight"].roll(5, 0)
    return LambdaPath({0: generator, 100: with_late_layers(generator, 1, darker)}, make_discriminator())


def share(real: torch.Tensor) -> str:
    return f"{round(100 * ((255 * real).round() > 127).float().mean().item())}\u00a0%"


# --- what is handed over


def test_verdicts_are_bytes_row_by_row():
    real = torch.tensor([[[0, 1], [0.25, 0.501]]])
    assert encode_verdicts(real) == [bytes([0, 255, 64, 128])]


def test_sliders_have_the_verdicts_of_the_discriminator_at_their_places():
    path, pairs = make_path(), synthetic_facades(2, SIZE)
    discriminator, data = path.discriminator, slider_of_path(path, pairs).data
    for k, verdicts in zip(path.grid(), data["verdicts"], strict=True):
        output = path.translate(pairs.source, [k])[k]
        assert verdicts == encode_verdicts(critic_map(discriminator, pairs.source, output))
    assert data["targetVerdicts"] == encode_verdicts(critic_map(discriminator, pairs.source, pairs.target))
    assert len(set(data["targetVerdicts"][0])) > 9, "or the test tells nothing"
    sources_only = slider_of_path(path, pairs.source).data
    assert sources_only["verdicts"] == data["verdicts"] and sources_only["targetVerdicts"] == []


def test_where_there_is_no_critic_of_such_images_there_is_no_view():
    pairs, outputs = synthetic_facades(1, SIZE), {0: synthetic_facades(1, SIZE).target}
    for critic in (None, make_discriminator(channels=1)):
        assert slider_of_pairs(pairs, outputs, discriminator=critic).data["verdicts"] == []
        assert DrawingBoard({100: make_generator()}, SOURCE, discriminator=critic).data["critic"] is False
    colour, grey = SOURCE[:1], SOURCE[:1, :1]
    for source, target, output in ((grey, colour, colour), (colour, grey, colour), (colour, colour, grey)):
        pairs = Pairs(source, target, ["one"])
        assert slider_of_pairs(pairs, {0: output}, discriminator=make_discriminator()).data["verdicts"] == []


def test_the_kernel_judges_the_picture_of_a_drawing():
    path = make_path()
    board = DrawingBoard(path, SOURCE)
    assert board.data["critic"] is True
    labels, other = (bytes(nearest_classes(SOURCE[i : i + 1])[0].flatten().tolist()) for i in (1, 2))
    index = board.lambdas.index(100)
    output = translate(path.generator(100), SOURCE[1])
    expected = encode_verdicts(critic_map(path.discriminator, SOURCE[1:2], output[None]))[0]
    assert ask(board, index, labels, critic=True)["image"] == expected, "also of what it has not translated yet"
    picture = ask(board, index, labels)["image"]
    ask(board, index, other)  # of another view
    assert ask(board, index, labels, critic=True)["image"] == expected != picture
    assert "no position 99" in ask(board, 99, labels, critic=True)["error"]


# --- what is seen


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_patches_lie_where_the_layers_of_the_discriminator_have_them():
    """The gradient of one logit of a 70×70 PatchGAN reaches the patch that is framed, and is centred on the cell."""
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    discriminator = PatchDiscriminator(2)
    for module in discriminator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # or statistics would join all patches
    row, column = 12, 20
    discriminator(torch.rand(1, 3, 256, 256), image)[0, 0, row, column].backward()
    seen = image.grad[0].abs().sum(0).nonzero()
    code = f"""import {{ paintVerdicts, patchAt }} from {json.dumps(CRITIC.as_uri())};
        const drawn = [];
        const context = {{ fillRect() {{}}, strokeRect: (...box) => drawn.push(box) }};
        const verdicts = new Uint8Array(900), framed = {row * 30 + column};
        paintVerdicts(context, verdicts, framed);
        const [x, y, width] = drawn[0];
        const found = [patchAt(verdicts, x + width / 2, y + width / 2), patchAt(verdicts, 0, 255)];
        console.log(JSON.stringify([drawn[0], ...found]));"""
    done = subprocess.run(["node", "--input-type=module"], input=code, capture_output=True, text=True, check=True)
    (left, top, width, height), patch, corner = json.loads(done.stdout)
    assert [top, left] == seen.min(0).values.tolist() and (width, height) == (70, 70)
    assert [top + 69, left + 69] == seen.max(0).values.tolist()
    assert (patch, corner) == (row * 30 + column, 29 * 30)


def make_judged_slider() -> LambdaSlider:
    """Of three images; the i-th λ has i rows of patches called real; of the targets, all but the first are."""
    rows = [bytes([255] * SIDE * i + [0] * SIDE * (SIDE - i)) for i in range(len(LAMBDAS))]
    verdicts = {k: [rows[i]] * 3 for i, k in enumerate(LAMBDAS)}
    return make_slider(verdicts=verdicts, target_verdicts=[bytes([51] + [255] * (SIDE**2 - 1))] * 3)


@pytest.mark.slow
def test_the_sliders_view_of_the_critic(browser, tmp_path):
    page, complaints = browser.new_page(viewport={"width": 1100, "height": 900}), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(make_judged_slider().save_page(tmp_path / "slider.html").as_uri())
    playwright.expect(page.locator(".lambda-slider")).to_have_attribute("aria-busy", "false", timeout=30_000)
    assert not page.locator(".critic").is_visible()
    page.locator(".views input[value=critic]").check(force=True)
    captions, verdict = page.locator(".stage figure:not([hidden]) figcaption"), page.locator(".verdict")
    for i, k in enumerate(LAMBDAS):
        page.locator(".lambda input").fill(str(i))
        words = f"{round(100 * i / SIDE)}\u00a0%"
        label = "L1 only" if k == math.inf else f"λ = {k}"
        playwright.expect(captions).to_have_text(
            ["source", f"{label}: {words} called real", "target: 97\u00a0% called real"]
        )
        playwright.expect(verdict).to_have_text(f"The critic calls {words} of the patches real.")
    canvas = page.locator(".stage figure.main canvas")
    above, below = (colour(canvas, 0.5, y) for y in (0.3, 0.8))  # of L1 only: five rows are real, the last is not
    assert above[2] > above[1] and below[0] > below[2], "violet is real, orange is fake"
    canvas.hover(position={"x": 2, "y": 2})
    words = "real: the probability that it is real is 100\u00a0%, in the target 20\u00a0%."
    playwright.expect(verdict).to_have_text(f"The critic calls this patch of 70×70 px {words}")
    page.locator(".lambda input").hover()
    playwright.expect(verdict).to_contain_text("of the patches real")
    assert page.locator(".note").inner_text().endswith("for another λ, this is no grade.")
    page.locator(".views input[value=side]").check(force=True)
    assert not page.locator(".critic").is_visible() and complaints == []


def colour(canvas, x: float, y: float) -> list[int]:
    read = (
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x * canvas.width, y * canvas.height, 1, 1).data]"
    )
    return canvas.evaluate(read, [x, y])


ANSWER = """([number, image, error]) => {
    const { content } = window.sent[number];
    const bytes = Uint8Array.from(atob(image), (char) => char.charCodeAt(0));
    hear({ id: content.id, error }, image ? [new DataView(bytes.buffer)] : []);
}"""


@pytest.mark.slow
def test_the_notebooks_board_asks_the_critic_after_the_picture_only(browser):
    board = DrawingBoard(make_path(), SOURCE)
    page = browser.new_page()
    mount(page, board)
    page.wait_for_function("sent.length == 1")
    asked = lambda: page.evaluate("sent.map(({ content }) => Boolean(content.critic))")  # noqa: E731

    def answer(number: int, error: str = "") -> None:
        content = page.evaluate(
            f"({{ ...sent[{number}].content, labels: [...new Uint8Array(sent[{number}].buffers[0])] }})"
        )
        found = ask(board, content["index"], bytes(content["labels"]), critic=content.get("critic", False))["image"]
        page.evaluate(ANSWER, [number, "" if error else b64encode(found).decode(), error])

    answer(0)
    playwright.expect(page.locator(".output[aria-busy=false]")).to_be_visible()
    assert asked() == [False], "nobody has switched the critic on"
    page.get_by_label("What the critic sees").check()
    page.wait_for_function("sent.length == 2")
    answer(1)
    real = critic_map(board.critic, board.source[None], board._output[None])
    playwright.expect(page.locator(".verdict")).to_have_text(f"The critic calls {share(real)} of the patches real.")
    assert page.locator(".output canvas").count() == 2
    page.locator(".lambda input").fill("0")
    page.wait_for_function("sent.length == 3")
    assert asked() == [False, True, False]
    answer(2)
    page.wait_for_function("sent.length == 4")
    playwright.expect(page.locator(".verdict")).to_have_text("")
    answer(3, "The kernel failed.")
    playwright.expect(page.locator(".verdict")).to_have_text("The kernel failed.")
    assert page.locator(".output canvas").count() == 1
    page.get_by_label("What the critic sees").uncheck()
    playwright.expect(page.locator(".verdict")).not_to_be_visible()
    page.evaluate("cleanUp()")


# --- on the page


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("onnx", reason="There is no onnx here: `make test` installs it.")
    if shutil.which("npm") is None:
        pytest.skip("There is no node with npm here, version 20 or newer: apt-get install npm.")
    subprocess.run(["make", "site/node_modules/.ready"], cwd=CRITIC.parents[3], check=True, capture_output=True)
    out = tmp_path_factory.mktemp("page") / "site"
    build(make_path(), "Test.", out)
    return out


def open_page(browser, address: str, **context):
    page = browser.new_context(**{"bypass_csp": True, "service_workers": "block"} | context).new_page()
    page.goto(address)
    playwright.expect(page.locator("#offline")).to_contain_text("without a network", timeout=60_000)
    playwright.expect(page.locator(".output[aria-busy=false]")).to_be_visible(timeout=30_000)
    return page


@pytest.mark.slow
@pytest.mark.parametrize("where", ["desktop", "phone"])
def test_on_the_page_the_critic_follows_lambda(browser, site, where):
    with serve(site) as address:
        loaded = []
        page = open_page(browser, address, **(PHONE if where == "phone" else {}))
        page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
        page.get_by_label("What the critic sees").check()
        verdict = page.locator(".verdict")
        playwright.expect(verdict).to_contain_text("of the patches real.", timeout=30_000)
        assert loaded == ["critic.onnx.gz"], "it is loaded when it is asked first"
        path, source = make_path(), invitation(SIZE)[0][None]  # that the page begins with
        real = {k: critic_map(path.discriminator, source, path.translate(source, [k])[k])[0] for k in path.lambdas}
        row, column = divmod(int((real[0] - real[100]).abs().argmax()), real[0].shape[1])
        assert abs(real[0][row, column] - real[100][row, column]) > 0.2, "or the test tells nothing"
        for position, k in ((0, 0), (10, 100)):
            page.locator(".lambda input").fill(str(position))
            playwright.expect(page.locator(".output[aria-busy=false]")).to_be_visible(timeout=30_000)
            playwright.expect(page.locator(".verdicts")).to_be_visible()
            box = page.locator(".verdicts").bounding_box()
            x, y = ((8 * at + 12) * box["width"] / SIZE for at in (column, row))
            if where == "phone":
                page.locator(".verdicts").scroll_into_view_if_needed()
                box = page.locator(".verdicts").bounding_box()
                touch(page, [(box["x"] + x, box["y"] + y)])
            else:
                page.locator(".verdicts").hover(position={"x": x, "y": y})
            playwright.expect(verdict).to_contain_text("The critic calls this patch of 70×70 px")
            found = int(re.search(r"is (\d+)", verdict.inner_text())[1]) / 100
            assert found == pytest.approx(real[k][row, column].item(), abs=0.08), "but for int8 weights"
        page.context.close()


@pytest.mark.slow
def test_a_critic_that_does_not_load_is_a_sentence_and_can_be_asked_again(browser, site):
    with serve(site) as address:
        page = open_page(browser, address)
        page.route("**/critic.onnx.gz", lambda route: route.abort())
        box, verdict = page.get_by_label("What the critic sees"), page.locator(".verdict")
        box.check()
        playwright.expect(verdict).to_contain_text("model/critic.onnx.gz can't be loaded", timeout=30_000)
        playwright.expect(page.locator(".output[aria-busy=false]")).to_be_visible()
        page.unroute("**/critic.onnx.gz")
        box.uncheck()
        box.check()
        playwright.expect(verdict).to_contain_text("of the patches real.", timeout=30_000)


@pytest.mark.slow
@pytest.mark.parametrize("taken_over", [False, True])
def test_the_critic_of_a_new_build_judges_no_picture_of_an_old_page(browser, site, tmp_path, taken_over):
    """A page that stays open uses the critic that it has kept; if a new build took its place, it says so."""
    folder = shutil.copytree(site, tmp_path / "site")
    with serve(folder) as address:
        page = open_page(browser, address, service_workers="allow")
        old, source = make_path(), invitation(SIZE)[0][None]
        expected = critic_map(old.discriminator, source, old.translate(source, [100])[100])[0]
        for parameter in old.discriminator.parameters():
            parameter.data *= -1
        shutil.rmtree(folder)
        build(old, "New.", folder)
        if taken_over:
            page.context.new_page().goto(address)
            playwright.expect(page.locator("#offline")).to_contain_text("There is a new version", timeout=60_000)
        page.get_by_label("What the critic sees").check()
        sentence = "model/critic.onnx.gz is not that of this page: there may be a new version. Reload the page."
        verdict = page.locator(".verdict")
        playwright.expect(verdict).to_contain_text(sentence if taken_over else "of the patches real.", timeout=30_000)
        if not taken_over:
            real = int(re.search(r"\d+", verdict.inner_text())[0]) / 100
            assert real == pytest.approx((expected > 0.5).float().mean().item(), abs=0.03), "but for int8 weights"
        page.context.close()


@pytest.mark.slow
def test_a_path_without_its_discriminator_has_no_critic_on_the_page(tmp_path, browser, site):
    path = LambdaPath({0: make_generator(), 100: make_generator()})
    build(path, "Test.", tmp_path / "site")
    assert not (tmp_path / "site/model/critic.onnx.gz").exists()
    with serve(tmp_path / "site") as address:
        page = open_page(browser, address)
        assert not page.get_by_label("What the critic sees").is_visible()


@pytest.mark.slow
def test_without_verdicts_the_slider_has_no_such_view(browser, tmp_path):
    page = browser.new_page()
    page.goto(make_slider().save_page(tmp_path / "slider.html").as_uri())
    playwright.expect(page.locator(".lambda-slider")).to_have_attribute("aria-busy", "false", timeout=30_000)
    assert page.locator(".views input").evaluate_all("all => all.map(each => each.value)") == [
        "side",
        "wipe",
        "difference",
        "all",
    ]

"""The page with the drawing board in a real browser, built from a small path: what it shows against ``translate``."""

import base64
import gzip
import io
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers.browser import PHONE, pixels, touch
from helpers.image_files import encoded
from PIL import Image
from tools.browser import Quiet, serve
from tools.build_site import write_service_worker
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from pix2pix_colab import LambdaPath, load_pretrained
from pix2pix_colab.data import LABEL_COLOURS, jitter_size, nearest_classes, synthetic_facades
from pix2pix_colab.training import TrainConfig, train_lambda_path

pytestmark = pytest.mark.slow
pytest.importorskip("onnx", reason="There is no onnx here: `make test` installs it.")
playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")
NPM = shutil.which("npm")
if NPM is None:
    pytest.skip("There is no node with npm here, version 20 or newer: apt-get install npm.", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SIZE, CONFIG = 256, TrainConfig(width=4, epochs=2)
NETWORK = "model/early.onnx.gz", "model/late.onnx.gz"
NO_LAMBDA = "The λ of this link can't be read: it is a number from 0 on, or L1."
COARSE = "This picture is still coarse: save it once all of the network has come."


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def path(root: Path) -> LambdaPath:
    runs = train_lambda_path(
        synthetic_facades(16, jitter_size(SIZE)), (0, 1, 10, 100, 1000, math.inf), CONFIG, root / "runs"
    )
    return LambdaPath({k: run.load_generator() for k, run in runs.items()})


@pytest.fixture(scope="module")
def site(root: Path, path: LambdaPath) -> Path:
    subprocess.run(["make", "site/node_modules/.ready"], cwd=ROOT, check=True, capture_output=True)
    command = [sys.executable, ROOT / "tools/build_site.py", root / "runs", "--out", root / "site", "--about", "Test."]
    subprocess.run(command, check=True, capture_output=True)
    return root / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with serve(site) as address:
        yield address


class Board:
    """What a user sees and does on the page."""

    def __init__(self, page):
        self.page = page
        self.drawing, self.output = page.locator(".drawing canvas"), page.locator(".output > [role=img]")
        self.range, self.say = page.locator(".lambda input"), page.locator("[role=status]")

    def settled(self) -> "Board":
        """Wait for the output of what is drawn."""
        playwright.expect(self.page.locator(".output[aria-busy=false]")).to_be_visible(timeout=30_000)
        return self

    def ready(self) -> "Board":
        """Wait for the network."""
        playwright.expect(self.page.locator("#offline")).to_contain_text("without a network", timeout=60_000)
        return self.settled()

    def damage(self, file: str) -> None:
        """Change a byte of a file that the service worker keeps."""
        self.page.evaluate(
            """async file => {
            const cache = await caches.open((await caches.keys())[0]);
            const kept = await cache.match(file);
            const bytes = new Uint8Array(await kept.arrayBuffer());
            bytes[bytes.length >> 1] ^= 255;
            await cache.put(file, new Response(bytes));
        }""",
            file,
        )

    def button(self, name: str):
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, name: str) -> None:
        self.page.locator("fieldset label").filter(has_text=name).first.click()

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Of a pixel of the drawing, on the screen."""
        box = self.drawing.bounding_box()
        return box["x"] + (x + 0.5) * box["width"] / SIZE, box["y"] + (y + 0.5) * box["height"] / SIZE

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.page.evaluate("scrollTo(0, 0)")
        self.page.mouse.move(*self.place(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(*end), steps=5)
        self.page.mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.evaluate("scrollTo(0, 0)")
        self.page.mouse.click(*self.place(x, y))

    def stop(self, i: int) -> "Board":
        self.page.locator(".stops span").nth(i).click()
        return self.settled()

    def picture(self) -> Tensor:
        """The pixels of the output, int (3, S, S)."""
        return pixels(self.settled().output)

    def saved(self, name: str) -> Tensor:
        with self.page.expect_download() as download:
            self.button(name).click()
        return pil_to_tensor(Image.open(download.value.path()).convert("RGB"))

    def example(self, number: int) -> None:
        self.page.locator(".example").nth(number).click()
        self.settled()

    def upload(self, image: bytes, name: str = "map.png") -> None:
        self.page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": image})
        self.settled()


@contextmanager
def opened(browser, address: str, hash: str = "", complaints: list | None = None, block: str = "", **context):
    """The page, which must ask for nothing elsewhere and, unless ``complaints`` takes them, report no error."""
    found = [] if complaints is None else complaints
    own = {"viewport": {"width": 1200, "height": 1000}, "permissions": ["clipboard-read", "clipboard-write"]}
    session = browser.new_context(**own | {"service_workers": "block" if block else "allow"} | context)
    page = session.new_page()
    requests = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    session.on("request", lambda request: requests.append(request.url))
    page.goto(address + hash)
    yield Board(page)
    assert complaints is not None or found == []
    assert [url for url in requests if not url.startswith((address, "blob:", "data:"))] == []
    session.close()


@pytest.fixture
def board(browser, address) -> Iterator[Board]:
    with opened(browser, address) as board:
        yield board.ready()


@pytest.fixture
def page(browser) -> Iterator:
    """A blank page without a service worker, so that a test can hold its files back or change them."""
    session = browser.new_context(service_workers="block", permissions=["clipboard-read", "clipboard-write"])
    yield session.new_page()
    session.close()


def is_class(image: Tensor, label: str) -> Tensor:
    """Where a label map has a class, bool (H, W)."""
    return (image == torch.tensor(LABEL_COLOURS[label])[:, None, None]).all(dim=0)


# --- the browser says what Python says


def test_the_pixels_are_those_of_translate(board, path) -> None:
    """Ten label maps at six positions, anchors and between: int8 weights cost less than one level in the mean."""
    source = synthetic_facades(10, SIZE, seed=5).source
    at = [0, 0.5, 1.7, 3, 4.2, 5]
    expected = path.translate(source, [path.lambda_at(each) for each in at])
    spread = torch.stack(list(expected.values())).float().std(dim=0).mean()
    assert spread > 2, "λ must move the image, or the test tells nothing"
    for i, label_map in enumerate(source):
        board.upload(encoded(label_map))
        for position, outputs in zip(at, expected.values(), strict=True):
            board.range.fill(str(round(10 * position)))
            apart = (board.picture() - outputs[i].int()).abs()
            assert apart.float().mean() < 1 and apart.max() <= 8, f"label map {i}, position {position}"
    assert board.say.inner_text() == ""


@pytest.fixture(scope="module")
def pretrained(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page as it is built without runs; it is no larger than a page may be."""
    out = tmp_path_factory.mktemp("pretrained") / "page"
    command = [sys.executable, ROOT / "tools/build_site.py", "--out", out]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    page, network = map(float, re.search(r"runtime (.*) MB, network (.*) MB", said).groups())
    assert page < 5 and network < 15
    with serve(out) as address:
        yield address


def test_without_runs_the_page_has_the_pretrained_network(browser, pretrained) -> None:
    """Its weights are int8 already, so that the page has them exactly."""
    label_map = synthetic_facades(1, SIZE, seed=5).source[0]
    with opened(browser, pretrained) as board:
        playwright.expect(board.page.locator("#training")).to_contain_text("400 photos of facades")
        board.ready()
        board.upload(encoded(label_map))
        expected = load_pretrained().translate(label_map, [0, 100])
        for position, output in ((0, expected[0]), (30, expected[100])):
            board.range.fill(str(position))
            assert (board.picture() - output.int()).abs().max() <= 2


@pytest.mark.parametrize("size", [(1440, 900), (390, 844), (844, 390)])
def test_the_film_of_a_training_is_played_when_it_is_asked_for(browser, pretrained, size) -> None:
    viewport = {"width": size[0], "height": size[1]}
    with opened(browser, pretrained, viewport=viewport, service_workers="block") as board:
        film, asked = board.page.locator("#film"), []
        board.page.on("request", lambda request: asked.append(request.url))
        board.ready()
        assert not any("film.json" in url or "slider.js" in url for url in asked), "nothing before it is asked for"
        film.get_by_role("button", name="Play the film").click()
        heading, range = film.locator(".heading b"), film.get_by_role("slider", name="step")
        playwright.expect(heading).to_have_text("step 0")
        playwright.expect(film.locator(".heading span")).to_have_text("untrained")
        first, last = picture(film), range.get_attribute("max")
        playwright.expect(range).to_have_value(last, timeout=30_000)
        assert picture(film) != first
        box = film.locator("figure.main").bounding_box()
        assert box["width"] > 120 and box["x"] >= 0 and box["x"] + box["width"] <= size[0]
        film.get_by_role("button", name="Play it again").click()
        playwright.expect(heading).to_have_text("step 0")
        range.press("End")  # from then on it is the visitor's
        range.press("ArrowLeft")
        board.page.wait_for_timeout(1200)
        assert range.input_value() == str(int(last) - 1)


def picture(film) -> str:
    return film.locator("figure.main canvas").evaluate("canvas => canvas.toDataURL()")


def test_a_film_that_cannot_be_loaded_can_be_asked_for_again(browser, pretrained) -> None:
    complaints = []
    with opened(browser, pretrained, complaints=complaints, service_workers="block") as board:
        board.page.route("**/film.json", lambda route: route.abort())
        film = board.page.locator("#film")
        film.get_by_role("button", name="Play the film").click()
        playwright.expect(film.locator("p output")).to_contain_text("can't be loaded: look at your connection")
        board.page.unroute("**/film.json")
        film.get_by_role("button", name="Play the film").click()
        playwright.expect(film.locator(".heading b")).to_have_text("step 0")
    assert complaints, "of the lost file"


def test_a_page_of_another_path_has_no_film(board) -> None:
    playwright.expect(board.page.locator("#film")).to_be_hidden()


def test_a_drawing_is_translated_as_it_is_saved(board, path) -> None:
    draw_a_house(board)
    drawn = board.saved("Save the drawing")
    expected = path.translate(drawn, [100])[100]
    assert (board.picture() - expected.int()).abs().max() <= 8
    assert torch.equal(board.saved("Save the picture").int(), board.picture())


# --- a stranger's minute


WINDOWS = [((30, 40), (80, 110)), ((100, 40), (150, 110)), ((170, 40), (220, 110))]
DOOR = ((110, 150), (150, 244))


def house() -> Tensor:
    """Three windows and a door on a wall: what ``draw_a_house`` draws."""
    image = Image.new("RGB", (SIZE, SIZE), LABEL_COLOURS["background"])
    image.paste(LABEL_COLOURS["facade"], (0, 18, SIZE, SIZE - 10))
    for name, boxes in (("window", WINDOWS), ("door", [DOOR])):
        for (left, top), (right, bottom) in boxes:
            image.paste(LABEL_COLOURS[name], (left, top, right + 1, bottom + 1))
    return pil_to_tensor(image)


def draw_a_house(board: Board) -> None:
    board.button("An empty wall").click()
    for start, end in WINDOWS:
        board.drag(start, end)
    board.choose("door")
    board.drag(*DOOR)


def test_a_strangers_minute_with_the_mouse(board) -> None:
    draw_a_house(board)
    assert torch.equal(board.saved("Save the drawing"), house())
    pictures = [board.stop(0).picture()]
    box = board.range.bounding_box()
    board.page.mouse.move(box["x"] + 11, box["y"] + box["height"] / 2)
    board.page.mouse.down()
    board.page.mouse.move(box["x"] + box["width"] - 11, box["y"] + box["height"] / 2, steps=12)
    board.page.mouse.up()
    pictures.append(board.picture())
    assert not torch.equal(*pictures)
    assert board.page.locator(".heading b").inner_text() == "L1 only"
    assert board.output.get_attribute("aria-label") == "The network's output for your drawing, L1 only"
    board.button("Copy a link").click()
    playwright.expect(board.say).to_have_text("The link to your drawing is copied.")
    link = board.page.evaluate("navigator.clipboard.readText()")
    playwright.expect(board.page).to_have_url(link.partition("&preview=")[0])
    assert len(link) < 1100, "with its preview"
    board.page.reload()
    assert torch.equal(board.ready().picture(), pictures[1])
    assert torch.equal(board.saved("Save the drawing"), house())


def test_a_strangers_minute_by_touch(browser, address) -> None:
    with opened(browser, address, **PHONE) as board:
        board.ready()
        assert board.page.evaluate("document.documentElement.scrollWidth") <= 390
        board.button("An empty wall").tap()
        board.drawing.scroll_into_view_if_needed()
        top = board.page.evaluate("scrollY")
        for start, end in WINDOWS:
            middle = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
            touch(board.page, [board.place(*point) for point in (start, middle, end)])
        assert board.page.evaluate("scrollY") == top, "drawing does not scroll the page"
        board.page.locator(".palette label").filter(has_text="door").tap()
        board.drawing.scroll_into_view_if_needed()
        touch(board.page, [board.place(*point) for point in (DOOR[0], (130, 200), DOOR[1])])
        drawn = board.saved("Save the drawing").float()
        assert (drawn - house()).abs().mean() < 3, "a finger on a small screen is a pixel off at most"
        first = board.stop(0).picture()
        board.range.scroll_into_view_if_needed()
        box = board.range.bounding_box()
        y = box["y"] + box["height"] / 2
        touch(board.page, [(box["x"] + 11 + share * (box["width"] - 22), y) for share in (0, 0.3, 0.6, 1)])
        assert board.page.locator(".heading b").inner_text() == "L1 only"
        assert not torch.equal(board.picture(), first)
        url = board.page.evaluate("new Promise(done => setTimeout(() => done(location.href), 500))")
    with opened(browser, address, "#" + url.partition("#")[2], **PHONE) as board:
        assert torch.equal(board.ready().saved("Save the drawing").float(), drawn)


def finger(page):
    """What puts a finger on the page, moves it, and, without a point, lifts it."""
    session, kinds = page.context.new_cdp_session(page), iter(["touchStart"])

    def to(*point: float) -> None:
        points = [dict(zip("xy", point, strict=True))] if point else []
        kind = next(kinds, "touchMove") if point else "touchEnd"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return to


def await_another_picture(board: Board, than: Tensor) -> None:
    """Wait while the pen is down, when nothing says that the output is finished."""
    for _ in range(200):
        if not torch.equal(pixels(board.output), than):
            return
        board.page.wait_for_timeout(50)
    raise AssertionError("The output does not follow the pen.")


@pytest.mark.parametrize(
    ("width", "height", "tool"),
    [(390, 844, "Rectangle"), (390, 844, "Brush"), (375, 553, "Rectangle"), (844, 390, "Brush")],
)
def test_on_a_phone_one_sees_what_one_draws(browser, address, width: int, height: int, tool: str) -> None:
    """λ, the tools, the drawing and the output are on one screen while the finger moves, and the output follows it."""
    with opened(browser, address, **PHONE | {"viewport": {"width": width, "height": height}}) as board:
        board.ready().choose(tool)
        before = board.picture()
        if height == 553:  # the address bar of a small phone: the title does not fit
            board.page.locator(".heading").evaluate("element => element.scrollIntoView()")
        to = finger(board.page)
        for x in range(40, 220, 40):
            to(*board.place(x, x))
        await_another_picture(board, before)
        boxes = {
            name: board.page.locator(f".drawing-board {name}").bounding_box()
            for name in (".lambda", ".palette", ".pills", ".drawing canvas", ".output > [role=img]")
        }
        for name, box in boxes.items():
            assert box["y"] >= 0 and box["y"] + box["height"] <= height, f"{name} is not on the screen"
            assert box["x"] >= 0 and box["x"] + box["width"] <= width, f"{name} is not on the screen"
        assert boxes[".drawing canvas"]["width"] >= 190 and boxes[".output > [role=img]"]["width"] >= 120
        to()
        board.settled()
        assert board.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_picture_follows_the_pen_and_comes_back_if_the_stroke_is_dropped(board) -> None:
    board.button("An empty wall").click()
    wall, address = board.picture(), board.page.url
    board.page.mouse.move(*board.place(40, 60))
    board.page.mouse.down()
    board.page.mouse.move(*board.place(120, 180), steps=8)
    await_another_picture(board, wall)
    assert board.page.url == address, "nothing is drawn yet"
    board.drawing.focus()
    board.page.keyboard.press("Escape")
    assert torch.equal(board.picture(), wall)
    board.page.mouse.up()
    assert board.page.url == address


@pytest.mark.parametrize("rest", [0, 1000])
def test_a_stroke_is_computed_once(board, path, rest: int) -> None:
    """A quick one when it is drawn; one on whose end the pen rests, before it is lifted."""
    board.button("An empty wall").click()
    board.settled()
    board.page.evaluate(RECORD)
    x, y = board.place(40, 60)
    board.page.mouse.move(x, y)
    board.page.mouse.down()
    board.page.mouse.move(x + 90, y + 120)
    board.page.wait_for_timeout(rest)
    board.page.mouse.up()
    picture, drawn = board.picture(), board.saved("Save the drawing")
    assert (picture - path.translate(drawn, [100])[100].int()).abs().max() <= 8
    assert board.page.evaluate("asked.filter(({ source }) => source).length") == 1


def test_a_click_places_a_part_of_usual_size(board) -> None:
    """As large as others of its class, or as such parts are; a drag that comes back to where it began places none."""

    def size(label: str) -> tuple[int, int]:
        drawn = board.saved("Save the drawing")
        ys, xs = is_class(drawn, label).nonzero().T
        width, height = int(xs.max() - xs.min()) + 1, int(ys.max() - ys.min()) + 1
        assert len(xs) == width * height, "a whole rectangle"
        return width, height

    board.button("An empty wall").click()
    board.choose("door")
    board.page.mouse.click(*board.place(254, 254))
    assert 25 < size("door")[0] < size("door")[1] < 90, "none of it is beyond the border"
    board.choose("window")
    board.drag((120, 40), (131, 59))
    board.page.mouse.click(*board.place(40, 50))
    board.choose("Move")
    board.page.mouse.click(*board.place(125, 50))
    board.button("Delete").click()
    assert size("window") == (12, 20)
    before = board.saved("Save the drawing")
    board.choose("Rectangle")
    board.page.mouse.move(*board.place(120, 100))
    board.page.mouse.down()
    for end in ((200, 200), (120, 100)):
        board.page.mouse.move(*board.place(*end), steps=3)
    board.page.mouse.up()
    assert torch.equal(board.saved("Save the drawing"), before)


def test_a_house_by_keys(board) -> None:
    board.button("An empty wall").click()
    board.drawing.focus()
    keys = board.page.keyboard
    for key in ["ArrowLeft"] * 3 + ["Space"] + ["ArrowRight"] * 10 + ["ArrowDown"] * 5 + ["Shift+ArrowDown", "Space"]:
        keys.press(key)
    drawn = board.saved("Save the drawing")
    assert boxes(drawn, "window") == (116, 128, 156, 149)
    board.drawing.focus()
    for key in ("Space", "ArrowLeft", "ArrowUp", "Escape"):
        keys.press(key)
    assert torch.equal(board.saved("Save the drawing"), drawn), "Escape drops what was begun"
    board.choose("Move")
    board.click(130, 140)
    board.page.locator(".palette input").first.focus()
    keys.press("Delete")
    assert not is_class(board.saved("Save the drawing"), "window").any(), "wherever on the board the focus is"
    cyrillic = {"key": "я", "code": "KeyZ", "ctrlKey": True, "bubbles": True}
    board.drawing.dispatch_event("keydown", cyrillic)
    assert torch.equal(board.saved("Save the drawing"), drawn)
    board.drawing.focus()
    keys.press("Delete")
    assert not is_class(board.saved("Save the drawing"), "window").any()
    keys.press("Control+z")
    assert torch.equal(board.saved("Save the drawing"), drawn)
    board.button("An empty wall").click()
    board.button("Undo").focus()
    for _ in range(30):
        keys.press("Enter")
    assert board.button("Undo").is_disabled() and board.button("Redo").is_enabled(), "one Enter too many draws nothing"
    keys.press("Control+y")
    assert board.button("Undo").is_enabled(), "the keys still reach the board"
    board.range.focus()
    for key, index in (("PageUp", "40"), ("ArrowLeft", "39"), ("Home", "0"), ("End", "50")):
        keys.press(key)
        assert board.range.input_value() == index


def test_move_delete_undo_and_redo(board) -> None:
    draw_a_house(board)
    board.choose("Move")
    board.drag((50, 70), (60, 80))
    moved = board.saved("Save the drawing")
    assert torch.equal(moved[:, 45, 35], torch.tensor(LABEL_COLOURS["facade"]))
    assert torch.equal(moved[:, 120, 90], torch.tensor(LABEL_COLOURS["window"]))
    board.button("Delete").click()
    deleted = board.saved("Save the drawing")
    assert torch.equal(deleted[:, 100, 60], torch.tensor(LABEL_COLOURS["facade"]))
    board.button("Undo").click()
    assert torch.equal(board.saved("Save the drawing"), moved)
    board.button("Undo").click()
    assert torch.equal(board.saved("Save the drawing"), house())
    board.button("Redo").click()
    board.button("Redo").click()
    assert torch.equal(board.saved("Save the drawing"), deleted) and board.button("Redo").is_disabled()


def test_delete_removes_what_was_chosen_or_drawn_last_and_nothing_else(board) -> None:
    facade, window = (torch.tensor(LABEL_COLOURS[name]) for name in ("facade", "window"))
    board.button("An empty wall").click()
    board.drag((100, 100), (160, 160))
    board.drag((10, 30), (40, 60))
    board.page.keyboard.press("Delete")
    drawn = board.saved("Save the drawing").long()
    assert torch.equal(drawn[:, 50, 20], facade) and torch.equal(drawn[:, 128, 128], window)
    board.button("Undo").click()
    board.choose("Move")
    board.click(20, 50)
    board.page.keyboard.press("Delete")
    assert board.button("Delete").is_disabled()
    assert torch.equal(board.saved("Save the drawing").long()[:, 128, 128], window)
    board.click(128, 128)
    board.example(3)
    playwright.expect(board.button("Delete")).to_be_disabled()


def boxes(image: Tensor, label: str) -> tuple[int, int, int, int]:
    """The bounds of a class: left, top, right and bottom."""
    ys, xs = is_class(image, label).nonzero().T
    return int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())


def test_a_part_is_edited_as_in_any_editor(board) -> None:
    """Selected: another class, another size, duplicated, copied, cut and pasted; a letter chooses a tool."""
    keys = board.page.keyboard
    board.button("An empty wall").click()
    board.drag((40, 40), (79, 99))
    keys.press("m")
    board.page.mouse.click(*board.place(60, 70))
    assert board.page.locator(".pills :checked").input_value() == "move"
    board.choose("shop")
    assert boxes(board.saved("Save the drawing"), "shop") == (40, 40, 79, 99)
    board.drag((79, 99), (109, 119))
    assert boxes(board.saved("Save the drawing"), "shop") == (40, 40, 109, 119)
    board.drag((70, 80), (60, 60))
    assert boxes(board.saved("Save the drawing"), "shop") == (30, 20, 99, 99)
    board.drawing.focus()
    keys.press("Control+d")
    assert boxes(board.saved("Save the drawing"), "shop") == (30, 20, 107, 107)
    board.choose("door")
    assert boxes(board.saved("Save the drawing"), "door") == (38, 28, 107, 107)
    board.drawing.focus()
    keys.press("Control+x")
    assert boxes(board.saved("Save the drawing"), "shop") == (30, 20, 99, 99)
    board.drawing.focus()
    keys.press("Control+v")
    assert boxes(board.saved("Save the drawing"), "door") == (46, 36, 115, 115)
    board.drawing.focus()
    keys.press("Control+v")
    assert boxes(board.saved("Save the drawing"), "door") == (46, 36, 123, 123), "the second lies not on the first"
    board.button("Duplicate").click()
    assert boxes(board.saved("Save the drawing"), "door") == (46, 36, 131, 131)
    keys.press("r")
    assert board.page.locator(".pills :checked").input_value() == "rectangle"
    assert board.button("Duplicate").is_disabled()


DROP = """async ([kind, base64]) => {
    const bytes = Uint8Array.from(atob(base64), char => char.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], "map.png", { type: "image/png" }));
    const options = { bubbles: true, cancelable: true };
    const event = kind === "drop" ? new DragEvent(kind, { ...options, dataTransfer: data })
        : new ClipboardEvent(kind, { ...options, clipboardData: data });
    return document.querySelector(".drawing canvas").dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_an_image_is_taken_by_drop_and_by_paste(board, kind: str) -> None:
    label_map = synthetic_facades(1, SIZE, seed=7).source[0]
    taken = not board.page.evaluate(DROP, [kind, base64.b64encode(encoded(label_map)).decode()])
    assert taken, "the browser does not open it in place of the page"
    playwright.expect(board.button("Undo")).to_be_enabled()
    assert torch.equal(board.saved("Save the drawing"), label_map)


def test_a_reload_keeps_what_can_be_undone(board) -> None:
    draw_a_house(board)
    board.button("Undo").click()
    board.page.reload()
    board.ready()
    board.button("Redo").click()
    assert torch.equal(board.saved("Save the drawing"), house())
    for _ in range(4):
        board.button("Undo").click()
    assert boxes(board.saved("Save the drawing"), "facade") == (0, 18, 255, 245)
    assert not is_class(board.saved("Save the drawing"), "window").any()


def test_classes_are_told_apart_without_their_colours(board) -> None:
    """The name of what is under the pointer or the cursor, and a line of dark and light wherever two classes meet."""
    draw_a_house(board)
    caption = board.page.locator(".drawing figcaption")
    board.page.mouse.move(*board.place(50, 70))
    playwright.expect(caption).to_have_text("your drawing: window")
    board.page.mouse.move(*board.place(5, 120))
    playwright.expect(caption).to_have_text("your drawing: facade")
    board.page.mouse.move(5, 5)
    playwright.expect(caption).to_have_text("your drawing")
    board.drawing.focus()
    for _ in range(10):
        board.page.keyboard.press("ArrowDown")
    playwright.expect(caption).to_have_text("your drawing: door")
    board.page.locator("h1").click()
    scale = board.drawing.evaluate("canvas => canvas.width / 256")
    row = pixels(board.drawing).float().mean(dim=0)[int(70 * scale)]
    edge = row[int(30 * scale) - 3 : int(30 * scale) + 4]  # from the wall to a window
    assert edge.max() - edge.min() > 60, "blue and light blue alone have less"


def test_what_is_being_drawn_gives_way_to_other_actions(board) -> None:
    draw_a_house(board)
    board.page.mouse.move(*board.place(10, 120))
    board.page.mouse.down()
    board.page.mouse.move(*board.place(60, 200))
    board.page.keyboard.press("Control+z")  # the door
    board.page.mouse.up()
    drawn = board.saved("Save the drawing")
    assert not is_class(drawn, "door").any() and not torch.equal(drawn, house())
    board.drawing.focus()
    board.page.keyboard.press("Space")
    board.page.keyboard.press("ArrowRight")
    board.page.mouse.move(*board.place(200, 200))
    board.example(2)
    assert torch.equal(board.saved("Save the drawing"), synthetic_facades(2, SIZE, 2).source[1])
    shown = """canvas => [...canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data]"""
    middle = synthetic_facades(2, SIZE, 2).source[1][:, SIZE // 2, SIZE // 2].tolist()
    assert board.drawing.evaluate(shown)[:3] == middle, "the canvas shows what is saved"


def test_a_reload_right_after_a_stroke_keeps_it(board) -> None:
    draw_a_house(board)
    board.page.reload()
    assert torch.equal(board.ready().saved("Save the drawing"), house())


def test_a_brush_paints_and_an_example_can_be_taken_apart(board) -> None:
    board.example(2)
    before = board.saved("Save the drawing")
    assert torch.equal(before, synthetic_facades(2, SIZE, 2).source[1])
    board.choose("Brush")
    board.choose("pillar")
    board.drag((20, 20), (20, 200))
    painted = board.saved("Save the drawing")
    assert torch.equal(painted[:, 100, 20], torch.tensor(LABEL_COLOURS["pillar"]))
    board.button("Undo").click()
    board.choose("Move")
    ys, xs = is_class(before, "door").nonzero().T
    board.click(int(xs.float().mean()), int(ys.float().mean()))
    board.button("Delete").click()
    assert not is_class(board.saved("Save the drawing"), "door").any()


# --- λ moves within a frame


RECORD = """() => {
    window.asked = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (request, ...more) {
        if (request.position !== undefined) asked.push({ position: request.position, source: Boolean(request.source) });
        return post.call(this, request, ...more);
    };
}"""
MOVE = """async index => {
    const range = document.querySelector(".lambda input");
    const before = asked.length;
    const canvas = document.querySelector(".output > [role=img]");
    range.value = index;
    range.dispatchEvent(new Event("input"));
    await new Promise(done => queueMicrotask(() => queueMicrotask(() => setTimeout(done))));
    return [asked.length - before, canvas.parentElement.ariaBusy, canvas.parentElement.textContent];
}"""


def asked(board: Board, count: int) -> list[dict]:
    """What the worker is asked for since the last label map, once it is so much."""
    since = "asked.slice(asked.findLastIndex(({ source }) => source))"
    board.page.wait_for_function(f"count => {since}.length >= count", arg=count, timeout=120_000)
    return board.page.evaluate(since)


def test_after_a_stroke_the_other_lambdas_are_computed_ahead_the_nearest_first(board, path) -> None:
    board.page.evaluate(RECORD)
    board.button("An empty wall").click()
    indices = [round(10 * each["position"]) for each in asked(board, 51)]  # as λ has two digits
    assert sorted(indices) == list(range(51))
    assert [abs(index - 30) for index in indices] == sorted(abs(index - 30) for index in indices)
    board.page.wait_for_timeout(300)  # the last one is computed
    drawn = board.saved("Save the drawing")
    for index, lambda_l1 in ((0, 0), (50, math.inf), (27, path.grid(9)[27])):
        assert board.page.evaluate(MOVE, index)[:2] == [0, "false"], "it is there before the next frame"
        expected = path.translate(drawn, [lambda_l1])[lambda_l1]
        assert (board.picture() - expected.int()).abs().max() <= 8


def test_a_new_stroke_ends_what_is_computed_ahead(board) -> None:
    board.page.evaluate(RECORD)
    board.button("An empty wall").click()
    asked(board, 3)
    board.page.evaluate("""document.querySelectorAll(".example")[2].click()""")
    asked(board, 51)
    starts = board.page.evaluate("asked.flatMap(({ source }, i) => (source ? [i] : []))")
    assert len(starts) == 2 and starts[1] - starts[0] < 51, "it did not wait for the rest"


def test_while_the_pen_rests_the_picture_is_of_what_is_drawn(board) -> None:
    """Also if λ is moved meanwhile, or the pen goes back to where it began."""
    board.button("An empty wall").click()
    wall = board.picture()
    board.page.mouse.move(*board.place(40, 60))
    board.page.mouse.down()
    board.page.mouse.move(*board.place(120, 180))
    await_another_picture(board, wall)
    board.page.evaluate(
        """() => {
        const range = document.querySelector(".lambda input");
        range.value = 0;
        range.dispatchEvent(new Event("input"));
    }"""
    )
    playwright.expect(board.page.locator(".output figcaption")).to_have_text("λ = 0")
    resting = board.picture()
    board.page.mouse.move(*board.place(40, 60))
    await_another_picture(board, resting)
    board.page.wait_for_timeout(500)
    back = board.picture()
    board.page.mouse.move(*board.place(120, 180))
    await_another_picture(board, back)
    board.page.mouse.up()
    assert torch.equal(board.picture(), resting)
    board.button("Undo").click()
    assert torch.equal(board.picture(), back)


def test_a_held_key_draws_one_part(board) -> None:
    board.choose("Brush")
    board.drawing.focus()
    address = board.page.url
    board.page.keyboard.down("Space")
    for _ in range(5):
        board.page.keyboard.down("Space")
    assert board.page.url == address, "nothing is drawn before it is pressed again"


def test_nothing_is_computed_ahead_while_the_pen_is_down(board) -> None:
    board.page.evaluate(RECORD)
    board.button("An empty wall").click()
    asked(board, 3)
    board.page.mouse.move(*board.place(40, 60))
    board.page.mouse.down()
    board.page.wait_for_timeout(100)  # one may be under way
    before = board.page.evaluate("asked.length")
    board.page.wait_for_timeout(500)
    assert board.page.evaluate("asked.length") == before < 51
    board.page.keyboard.press("Escape")
    asked(board, 51)
    board.page.mouse.up()


# --- the first seconds


def test_a_first_visit_sees_what_lambda_does_and_where_to_draw(browser, address) -> None:
    with opened(browser, address, **PHONE) as board:
        caption, place = board.page.locator(".output figcaption"), board.page.locator(".invite span")
        playwright.expect(caption).to_have_text("A: λ = 100 | B: L1 only")
        board.ready()
        playwright.expect(caption).to_have_text("A: λ = 100 | B: L1 only")
        a, b = pixels(board.output), pixels(board.page.locator(".over canvas"))
        box = place.bounding_box()
        corners = [(box["x"] + 1, box["y"] + 1), (box["x"] + box["width"] - 1, box["y"] + box["height"] - 1)]
        touch(board.page, corners)
        playwright.expect(place).to_have_count(0)
        playwright.expect(caption).to_have_text("λ = 100")
        drawn = board.saved("Save the drawing")
        windows = is_class(drawn, "window")
        assert 3 * 36 * 54 < windows.sum() < 3 * 40 * 58, "a third window"
        board.page.get_by_role("button", name="a wall that lacks a window").click()
        assert torch.equal(board.picture(), a), "A"
        assert torch.equal(board.stop(5).picture(), b), "B"
        board.page.goto("about:blank")
        board.page.goto(address)
        board.ready()
        playwright.expect(caption).to_have_text("λ = 100")


@pytest.mark.parametrize("device", ["mouse", "keys", "finger"])
def test_the_invitation_gives_way_to_the_pen(browser, address, device: str) -> None:
    with opened(browser, address, **PHONE if device == "finger" else {}) as board:
        invitation, keyboard, mouse = board.page.locator(".invite"), board.page.keyboard, board.page.mouse
        playwright.expect(invitation).to_be_visible()
        if device == "finger":
            move = finger(board.page)
            move(*board.place(100, 100))
            move(*board.place(140, 160))
        elif device == "keys":
            board.drawing.focus()
            keyboard.press("Space")
            keyboard.press("ArrowRight")
        else:
            mouse.move(*board.place(100, 100))
            mouse.down()
            mouse.move(*board.place(140, 160))
        playwright.expect(invitation).to_be_hidden()
        board.drawing.focus()
        keyboard.press("Escape")
        playwright.expect(invitation).to_be_visible()


def test_the_wipe_compares_two_lambdas_until_it_is_closed(board, path) -> None:
    board.page.locator(".divider").focus()
    board.page.keyboard.press("ArrowRight")
    at = board.page.locator(".over").evaluate("element => element.style.getPropertyValue('--at')")
    assert at == "51%", "who uses it keeps it"
    board.button("An empty wall").click()
    board.stop(0)
    board.page.get_by_label("against").select_option("λ = 10")
    board.settled()
    playwright.expect(board.page.locator(".output figcaption")).to_have_text("A: λ = 0 | B: λ = 10")
    drawn, over = board.saved("Save the drawing"), pixels(board.page.locator(".over canvas"))
    for shown, lambda_l1 in ((board.picture(), 0), (over, 10)):
        assert (shown - path.translate(drawn, [lambda_l1])[lambda_l1].int()).abs().max() <= 8
    assert torch.equal(board.saved("Save the picture").int(), board.picture()), "A alone is saved"
    board.page.get_by_label("A/B wipe").uncheck()
    playwright.expect(board.page.locator(".over")).to_have_count(0)


def test_a_link_shows_its_picture_before_the_network_is_there(browser, page, address) -> None:
    with opened(browser, address) as board:
        draw_a_house(board.ready())
        picture = board.stop(4).picture()
        board.button("Copy a link").click()
        playwright.expect(board.say).to_contain_text("copied")
        link = board.page.evaluate("navigator.clipboard.readText()")
    page.route("**/late.onnx.gz", lambda route: None)
    for preview, there in (("", True), ("x", False)):
        page.goto("about:blank")
        page.goto(link + preview)
        shown = Board(page)
        state = (
            "The network's output for your drawing, λ = 1000" if there else "There is no output for your drawing yet"
        )
        playwright.expect(shown.output).to_have_attribute("aria-label", state)
        if there:
            assert (pixels(shown.output) - picture).abs().float().mean() < 20


def test_nothing_is_asked_for_twice(browser, site) -> None:
    paths = []

    class Counted(_Kept):
        def do_GET(self) -> None:
            paths.append(self.path)
            super().do_GET()

    with serve(site, Counted) as address, opened(browser, address) as board:
        playwright.expect(board.ready().page.locator("#offline")).to_have_text(
            "This page now works without a network, too."
        )
    assert "/model/early.onnx.gz" in paths and len(paths) == len(set(paths)), sorted(paths)


def test_a_link_to_the_page_has_a_picture(site) -> None:
    html = (site / "index.html").read_text()
    assert re.search('property="og:image" content="https://[^"]+/card.jpg"', html) and "{{" not in html
    assert Image.open(site / "card.jpg").size == (1200, 600)


# --- while it loads, and without a network


def test_while_it_loads_frames_answer_and_a_bar_shows_how_far_it_is(page, address, site, path) -> None:
    held = []
    page.route("**/late.onnx.gz", lambda route: held.append(route))
    page.goto(address)
    board = Board(page).settled()
    playwright.expect(page.get_by_label("Loading the network")).to_be_visible()
    assert re.search(r"\d\.\d of \d+\.\d MB", page.locator(".say label").inner_text())
    source = synthetic_facades(1, SIZE, 2).source
    for stop, lambda_l1 in enumerate(path.lambdas):
        expected = path.translate(source, [lambda_l1])[lambda_l1][0]
        assert (board.stop(stop).picture() - expected.int()).abs().float().mean() < 10, "but for WebP"
    board.button("An empty wall").click()
    wall = board.saved("Save the drawing")
    board.button("Save the picture").click()
    playwright.expect(board.say).to_have_text("The network has not computed this picture, so it can't be saved.")
    assert page.locator(".output").get_attribute("aria-busy") == "true", "there is no frame of a drawing"
    playwright.expect(board.output).to_have_attribute("aria-label", "There is no output for your drawing yet")
    board.example(1)
    board.range.fill("12")
    playwright.expect(page.locator(".output figcaption")).to_have_text("λ = 1")  # and not 1.6: there is no frame of it
    board.button("Save the picture").click()
    playwright.expect(board.say).to_have_text("The network has not computed this picture, so it can't be saved.")
    board.stop(5)
    board.button("An empty wall").click()
    held[0].continue_()
    playwright.expect(page.get_by_label("Loading the network")).to_be_hidden(timeout=60_000)  # until then it is coarse
    expected = path.translate(wall, [math.inf])
    assert (board.picture() - expected[math.inf].int()).abs().max() <= 8


def test_coarse_weights_draw_until_all_their_bits_are_there(page, address, path) -> None:
    """A picture that is much the same, but not for saving; then the exact one."""
    held = []
    page.route("**/early.fine.gz", lambda route: held.append(route))
    page.goto(address)
    board = Board(page)
    board.button("An empty wall").click()
    shown = page.locator(".output[aria-busy=false]:not(.stale)")
    playwright.expect(shown).to_be_visible(timeout=60_000)
    draw_a_house(board)
    expected = path.translate(house(), [100])[100].int()
    coarse = (board.picture() - expected).abs().float().mean()
    playwright.expect(page.get_by_label("Loading the network")).to_be_visible()
    board.button("Save the picture").click()
    playwright.expect(board.say).to_have_text(COARSE)
    board.button("Copy a link").click()
    playwright.expect(board.say).to_contain_text("copied")
    assert "&preview=" in page.evaluate("navigator.clipboard.readText()")
    held[0].continue_()
    playwright.expect(page.get_by_label("Loading the network")).to_be_hidden(timeout=30_000)
    whole = (board.picture() - expected).abs()
    assert whole.max() <= 8 and 2 * whole.float().mean() < coarse < 15
    assert torch.equal(board.saved("Save the picture").int(), board.picture())


def test_without_the_rest_of_the_weights_one_draws_on_and_can_try_again(page, address) -> None:
    page.route("**/early.fine.gz", partial(fulfill, {"status": 404}))
    page.goto(address)
    board, sentence = Board(page), "model/early.fine.gz can't be loaded: it was answered by 404."
    playwright.expect(board.say).to_contain_text(sentence, timeout=60_000)
    before = board.picture()
    board.button("An empty wall").click()
    playwright.expect(page.locator(".output")).not_to_have_class(re.compile("stale"))
    assert not torch.equal(board.picture(), before)
    board.button("Save the picture").click()
    playwright.expect(board.say).to_contain_text(COARSE)
    playwright.expect(board.say).to_contain_text(sentence)
    board.button("Copy a link").click()
    playwright.expect(board.say).to_contain_text(re.compile(f"drawing.*{sentence}"))
    board.upload(b"no image")
    playwright.expect(board.say).to_contain_text(re.compile(f"can't read this file.*{sentence}"))
    page.unroute("**/early.fine.gz")
    held = []
    page.route("**/early.fine.gz", lambda route: held.append(route))
    board.drag(*DOOR)
    page.get_by_role("button", name="Try again", exact=True).click()
    board.drag(*WINDOWS[0])  # what answers goes on answering
    playwright.expect(page.locator(".output[aria-busy=false]:not(.stale)")).to_be_visible()
    playwright.expect(board.say).to_have_text("")
    assert not torch.equal(board.picture(), before)
    playwright.expect(page.get_by_label("Loading the network")).to_be_visible()
    held[0].continue_()
    playwright.expect(page.get_by_label("Loading the network")).to_be_hidden(timeout=60_000)
    playwright.expect(board.say).to_have_text("")
    assert torch.equal(board.settled().saved("Save the picture").int(), board.picture())


def test_after_a_reload_an_example_has_frames_again(page, address) -> None:
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(address)
    board = Board(page)
    board.example(4)
    picture = board.stop(0).picture()
    playwright.expect(page).to_have_url(re.compile("lambda=0&drawing="))
    page.reload()
    assert torch.equal(board.picture(), picture) and picture.float().std() > 5


class _Kept(Quiet):
    """As GitHub Pages: a browser may keep each file for ten minutes."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()


def test_a_new_build_replaces_the_old_one_as_a_whole(browser, site, tmp_path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    with serve(folder, _Kept) as address, opened(browser, address) as board:
        board.ready()
        title, kept = "Draw a house, drag λ", "This page now works without a network, too."
        told = []
        for new in ("New 1", "New 2", "New 3"):
            for name, before, after in (
                ("index.html", f"<h1>{title}</h1>", f"<h1>{new}</h1>"),
                ("page.js", kept, f"{new}: works without a network."),
            ):
                text = (folder / name).read_text()
                assert before in text
                (folder / name).write_text(text.replace(before, after))
            shutil.copyfile(ROOT / "site/offline.js", folder / "offline.js")
            write_service_worker(folder)
            title, kept = new, f"{new}: works without a network."
            board.page.reload()
            said = re.compile(f"There is a new version|^{kept}")  # the second: the browser has looked before by itself
            playwright.expect(board.page.locator("#offline")).to_have_text(said, timeout=30_000)
            told.append(board.page.locator("#offline").inner_text())
            board.page.reload()
            assert board.page.locator("h1").inner_text() == new
            playwright.expect(board.page.locator("#offline")).to_contain_text(f"{new}: works", timeout=30_000)
        assert any("There is a new version" in words for words in told)


def test_what_is_damaged_in_the_browser_is_loaded_anew_by_try_again(browser, address) -> None:
    with opened(browser, address, complaints=[]) as board:
        picture = board.ready().picture()
        board.damage(NETWORK[1])
        board.page.reload()
        playwright.expect(board.say).to_contain_text(f"{NETWORK[1]} is damaged", timeout=30_000)
        board.button("Try again").click()
        board.ready()
        board.page.reload()
        assert torch.equal(board.ready().picture(), picture)


def test_a_critic_that_is_damaged_in_the_browser_is_loaded_anew(browser, address) -> None:
    with opened(browser, address) as board:
        board.ready().damage("model/critic.onnx.gz")
        board.page.reload()
        board.ready()
        board.page.get_by_label("What the critic sees").check()
        playwright.expect(board.page.locator(".verdict")).to_contain_text("of the patches real.", timeout=30_000)


def test_a_new_build_asks_for_nothing_that_the_old_one_kept(browser, site, tmp_path) -> None:
    folder, paths = tmp_path / "site", []
    shutil.copytree(site, folder)

    class Forgotten(Quiet):
        def do_GET(self) -> None:
            paths.append(self.path)
            super().do_GET()

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

    with serve(folder, Forgotten) as address, opened(browser, address) as board:
        board.ready()
        board.page.get_by_label("What the critic sees").check()
        playwright.expect(board.page.locator(".verdict")).to_contain_text("of the patches real.", timeout=30_000)
        assert board.page.evaluate("caches.has('pix2pix-colab loaded')") is False, "nothing is kept twice"
        packed = [path for path in paths if path.endswith(".gz")]
        assert len(packed) == len(set(packed)) == 5, "a browser that keeps nothing, as in a private window"
        (folder / "icon.svg").write_text((folder / "icon.svg").read_text() + "<!-- new -->")
        shutil.copyfile(ROOT / "site/offline.js", folder / "offline.js")
        write_service_worker(folder)
        paths.clear()
        board.page.reload()
        said = re.compile("There is a new version")
        playwright.expect(board.page.locator("#offline")).to_have_text(said, timeout=30_000)
        assert "/icon.svg" in paths and not [path for path in paths if "model" in path or "ort" in path]


def test_it_works_without_a_network_once_it_was_loaded(browser, address) -> None:
    with opened(browser, address, complaints=[]) as board:
        board.ready()
        board.page.context.set_offline(True)
        board.page.reload()
        draw_a_house(board.ready())
        offline = board.picture()
        board.page.context.set_offline(False)
    with opened(browser, address) as board:
        draw_a_house(board.ready())
        assert torch.equal(board.picture(), offline)


class _Unpacking(Quiet):
    """As some servers: what it sends of a .gz file is said to be packed by itself, so that the browser unpacks it."""

    def end_headers(self) -> None:
        if self.path.endswith(".gz"):
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()


def test_a_server_that_unpacks_by_itself_is_kept_offline_too(browser, site) -> None:
    with serve(site, _Unpacking) as address, opened(browser, address, complaints=[]) as board:
        first = "fetch('model/early.onnx.gz').then(file => file.bytes()).then(bytes => bytes[0])"
        assert board.page.evaluate(first) == 8, "it is unpacked, or the test tells nothing"
        words = "This page now works without a network, too."
        playwright.expect(board.page.locator("#offline")).to_have_text(words, timeout=60_000)
        picture = board.picture()
        board.page.context.set_offline(True)
        board.page.reload()
        assert torch.equal(board.ready().picture(), picture)
        draw_a_house(board)
        assert not torch.equal(board.picture(), picture)


# --- nothing is trusted


def fulfill(answer: dict, route) -> None:
    route.fulfill(**answer)


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("name", "body", "sentence"),  # the body is made of those of the network
    [
        (NETWORK[1], lambda early, late: flipped(late), "model/late.onnx.gz is damaged or was cut off."),
        (NETWORK[1], lambda early, late: late[:-1000], "model/late.onnx.gz is damaged or was cut off."),
        (
            NETWORK[1],
            lambda early, late: early,
            "model/late.onnx.gz is not that of this page: there may be a new version.",
        ),
        (NETWORK[0], lambda *_: gzip.compress(b"no network"), "model/early.onnx.gz is not that of this page"),
        (NETWORK[0], lambda *_: b"<html>Log in</html>", "model/early.onnx.gz is not that of this page"),
        (NETWORK[0], None, "model/early.onnx.gz can't be loaded: it was answered by 404."),
        ("ort/ort.wasm.bundle.min.mjs", None, "The network can't be started: a file of it is missing"),
    ],
    ids=["damaged", "cut off", "the other", "no network", "a web page", "lost", "no runtime"],
)
def test_a_damaged_or_foreign_or_lost_file_gets_a_sentence(page, address, site, name, body, sentence) -> None:
    network = [(site / each).read_bytes() for each in NETWORK]
    answer = {"body": body(*network)} if body else {"status": 404}
    page.route(f"**/{name}", partial(fulfill, answer))
    page.goto(address)
    board = Board(page)
    playwright.expect(board.say).to_contain_text(sentence, timeout=30_000)
    assert not re.search("ERROR_CODE|protobuf|ONNX|undefined", board.say.inner_text()), "words of the runtime"
    playwright.expect(page.get_by_role("progressbar")).to_be_hidden()
    assert board.stop(0).picture().float().std() > 5, "the examples can still be seen"
    board.button("An empty wall").click()
    playwright.expect(board.say).to_contain_text(sentence)
    playwright.expect(board.output).to_have_attribute("aria-label", "There is no output for your drawing")
    board.button("Save the picture").click()
    playwright.expect(board.say).to_contain_text("The network has not computed this picture")


def test_a_failure_stands_out_and_can_be_retried(page, address) -> None:
    tries = []

    def answer(route) -> None:
        tries.append(route)
        fulfill({"body": gzip.compress(b"garbage")}, route) if len(tries) < 3 else route.continue_()

    page.route("**/late.onnx.gz", answer)
    page.goto(address)
    board, again = Board(page), page.get_by_role("button", name="Try again", exact=True)
    playwright.expect(board.say).to_contain_text("model/late.onnx.gz is not that of this page", timeout=60_000)
    assert board.say.evaluate("element => getComputedStyle(element).borderLeftStyle") == "solid"
    board.button("An empty wall").click()
    again.click()
    playwright.expect(board.say).to_contain_text("is not that of this page", timeout=60_000)
    again.click()
    playwright.expect(again).to_be_hidden()
    assert board.picture().float().std() > 1
    board.button("Save the picture").click()
    playwright.expect(board.say).to_have_text("")
    assert len(tries) == 3


def test_a_link_keeps_its_lambda_on_another_path(board) -> None:
    """Positions are those of one path; λ itself stands in the address, and old links with a position are read."""
    board.stop(1)
    playwright.expect(board.page).to_have_url(re.compile("#lambda=1&drawing="))
    board.stop(5)
    playwright.expect(board.page).to_have_url(re.compile("#lambda=L1&drawing="))
    read = """async ([lambdas, hash]) => {
        const { indexIn } = await import("./links.js");
        return indexIn(new URLSearchParams(hash), { positions: lambdas.map(lambda => ({ lambda })) });
    }"""
    other = [0, 10, 50, 100, 400, 1000, None]
    by_lambda = {"100": 3, "L1": 6, "1e9": 6, "0": 0, "60": 2, "x": None}
    by_position = {"3": 3, "5": 6, "0": 0, "3.6": 4, "4.9": 6, "99": 6, "": None}
    expected = {f"lambda={k}": index for k, index in by_lambda.items()} | {"": None}
    for hash, index in (expected | {f"at={at}": index for at, index in by_position.items()}).items():
        assert board.page.evaluate(read, [other, hash]) == index, hash


@pytest.mark.parametrize(
    ("lost", "answer", "left"),
    [("1.png", {"status": 404}, 6), ("1.png", {"body": "damaged"}, 6), ("*", {"status": 404}, 0)],
)
def test_lost_examples_are_left_out(page, address, lost, answer, left) -> None:
    page.route(f"**/examples/{lost}", partial(fulfill, answer))
    page.goto(address)
    assert Board(page).picture().float().std() > 1
    assert page.locator(".example").count() == left


def test_a_lost_list_gets_a_sentence(page, address) -> None:
    page.route("**/site.json", partial(fulfill, {"status": 404}))
    page.goto(address)
    sentence = "The page can't be opened: site.json can't be loaded (404). Reload it."
    playwright.expect(page.locator(".waiting")).to_contain_text(sentence)


def test_the_build_replaces_nothing_but_a_page(root, site, tmp_path) -> None:
    (tmp_path / "my_work.txt").write_text("mine")
    for runs, out, sentence in (
        (root / "runs", tmp_path, f"error: {tmp_path} is there, and is no page that was built before"),
        (tmp_path / "none", site, "none"),
    ):
        command = [sys.executable, ROOT / "tools/build_site.py", runs, "--out", out]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "my_work.txt").exists() and (site / "site.json").exists()


def test_a_browser_without_simd_gets_a_sentence(page, address) -> None:
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(address)
    playwright.expect(Board(page).say).to_contain_text("no WebAssembly SIMD: take a current Chrome")
    playwright.expect(page.get_by_role("button", name="Try again")).to_be_hidden()


@pytest.mark.parametrize(
    "text",
    ["<img src=x onerror=alert(1)>", "javascript:alert(1)", "AQ", "AYACAP", "%00%ff", "A" * 5000, "AYACDAAAAQE"],
    ids=["html", "script", "short", "cut", "bytes", "long", "class"],
)
def test_no_address_does_anything_but_a_sentence(browser, address, text: str) -> None:
    with opened(browser, address, f"#drawing={text}&at={text}") as board:
        playwright.expect(board.say).to_contain_text("So an example is shown.")
        dialogs = []
        board.page.on("dialog", lambda dialog: dialogs.append(dialog))
        board.ready()
        assert board.page.locator(".drawing-board img").count() == 7 and dialogs == []


def test_a_damaged_link_leaves_the_drawing(board) -> None:
    draw_a_house(board)
    good = board.page.evaluate("location.href")
    board.page.evaluate("location.hash = 'drawing=AQ'")
    playwright.expect(board.say).to_contain_text("So your drawing stays.")
    assert torch.equal(board.saved("Save the drawing"), house())
    playwright.expect(board.page).to_have_url(good)
    board.page.evaluate("location.hash = 'drawing=AYACAQAkgALkAQI8UDNH&at=3'")
    playwright.expect(board.say).to_have_text("")
    assert not torch.equal(board.saved("Save the drawing"), house())
    board.button("Undo").click()
    assert torch.equal(board.saved("Save the drawing"), house())


def test_on_a_phone_on_its_side_the_answer_of_copy_a_link_is_seen(browser, address) -> None:
    """Also if the page was scrolled so far that the button is the first that one sees."""
    turned = PHONE | {"viewport": {"width": 844, "height": 390}}
    with opened(browser, address, **turned, permissions=["clipboard-read", "clipboard-write"]) as board:
        board.ready().button("Copy a link").evaluate("element => element.scrollIntoView()")
        board.button("Copy a link").click()
        playwright.expect(board.say).to_have_text("The link to your drawing is copied.")
        playwright.expect(board.say).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("lambda_", ["-3", "x", "NaN", "", "<b>", "1,5", "10abc"])
def test_a_lambda_that_is_none_gets_a_sentence(browser, address, lambda_: str) -> None:
    with opened(browser, address, f"#lambda={lambda_}") as board:
        playwright.expect(board.say).to_have_text(NO_LAMBDA)
        board.ready()
        board.page.evaluate("location.hash = 'drawing=AYACAQAkgALkAQI8UDNH&lambda=10'")
        playwright.expect(board.say).to_have_text("")
        before = board.range.input_value()
        board.page.evaluate("lambda => { location.hash = `drawing=AYACAQAkgALkAQI8UDNH&lambda=${lambda}` }", lambda_)
        playwright.expect(board.say).to_have_text(NO_LAMBDA)
        assert board.range.input_value() == before
        board.page.evaluate("location.hash = 'lambda=L1'")
        playwright.expect(board.say).to_have_text("")
        assert board.range.input_value() == board.range.get_attribute("max")


def test_a_network_that_fails_hides_no_word_about_the_link(page, address) -> None:
    page.route(f"**/{NETWORK[1]}", partial(fulfill, {"status": 503}))
    page.goto(f"{address}#lambda=x")
    board = Board(page)
    playwright.expect(board.say).to_contain_text("it was answered by 503", timeout=30_000)
    playwright.expect(board.say).to_contain_text(NO_LAMBDA)


def test_where_the_address_can_not_be_changed_one_can_still_draw(browser, address) -> None:
    with opened(browser, address) as board:
        board.ready()
        board.page.evaluate("void (history.replaceState = () => { throw new DOMException('too often') })")
        before = board.picture()
        draw_a_house(board)
        assert not torch.equal(board.picture(), before)
        board.button("Copy a link").click()
        playwright.expect(board.say).to_have_text("The link to your drawing is copied.")
        link = board.page.evaluate("navigator.clipboard.readText()")
        picture = board.picture()
    with opened(browser, address, link.removeprefix(address)) as board:
        assert torch.equal(board.ready().picture(), picture)


def test_a_drawing_of_very_many_strokes_is_still_quick(board) -> None:
    """It froze the page when each pixel around a stroke was measured, for all strokes at each move of the pointer."""
    zigzag = [coordinate for i in range(3000) for coordinate in ((0, 0) if i % 2 else (255, 255))]
    stroke = {"kind": "stroke", "label": 2, "radius": 32, "points": zigzag}
    code = "async (stroke) => (await import('./widgets/drawing/address.js')).encodeDrawing([stroke], 256)"
    text = board.page.evaluate(code, stroke)
    board.page.evaluate("text => (location.hash = `drawing=${text}`)", text)
    board.settled()
    board.page.set_default_timeout(5000)
    board.drag((20, 200), (60, 240))
    board.settled()


def test_a_jpeg_of_a_label_map_is_read_and_said(board) -> None:
    label_map = synthetic_facades(2, SIZE, 2).source[1]
    buffer = io.BytesIO()
    to_pil_image(label_map).save(buffer, "JPEG", quality=90)
    board.upload(buffer.getvalue(), "map.jpg")
    playwright.expect(board.say).to_contain_text("they got the class around them")
    wrong = (board.saved("Save the drawing") != label_map).any(dim=0).float().mean()
    (labels, truth), _ = nearest_classes(torch.stack([pil_to_tensor(Image.open(buffer)), label_map]))
    assert wrong < 0.7 * (labels != truth).float().mean()


def test_no_file_does_anything_but_a_sentence(board) -> None:
    evil = "<img src=x onerror=alert(1)>.png"
    board.upload(b"no image", evil)
    playwright.expect(board.say).to_have_text("The browser can't read this file as an image: choose a PNG or a JPEG.")
    before = board.saved("Save the drawing")
    noise = torch.randint(0, 256, (3, 300, 200), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    board.upload(encoded(noise), evil)
    playwright.expect(board.say).to_contain_text("This is no label map")
    playwright.expect(board.say).to_contain_text("save the drawing before you leave")
    assert not torch.equal(board.saved("Save the drawing"), before)
    board.button("Copy a link").click()
    playwright.expect(board.say).to_contain_text("A link can't hold so many parts")
    board.button("Undo").click()
    assert torch.equal(board.saved("Save the drawing"), before)


# --- who can't see, or uses no mouse


NAME = """element => element.ariaLabel || element.closest("label")?.textContent.trim() || element.textContent.trim() ||
    element.querySelector("img")?.alt"""


def test_everything_has_a_name_and_is_reached_by_tab_in_order(board) -> None:
    reached = []
    for _ in range(30):
        board.page.keyboard.press("Tab")
        reached.append(board.page.locator(":focus").evaluate(NAME) if board.page.locator(":focus").count() else "")
    names = "λ, Rectangle, window, Your drawing, five floors above two shops, An empty wall, Your label map…"
    found = [next((i for i, name in enumerate(reached) if name.startswith(each)), -1) for each in names.split(", ")]
    assert found[0] >= 0 and found == sorted(set(found)), reached
    assert all(reached[: found[-1]])
    assert board.page.locator("h1").count() == 1 and board.page.locator("html").get_attribute("lang") == "en"


def test_a_small_screen_holds_all_controls(browser, address) -> None:
    with opened(browser, address, viewport={"width": 1024, "height": 768}) as board:
        playwright.expect(board.ready().page.get_by_label("A/B wipe")).to_be_checked()  # as a first visit has it
        for tool in ("Rectangle", "Move"):
            board.choose(tool)
            last = board.button("Copy a link").bounding_box()
            assert last["y"] + last["height"] < 768


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(browser, address, scheme: str) -> None:
    with opened(browser, address, color_scheme=scheme) as board:
        image = Image.open(io.BytesIO(board.ready().page.screenshot())).convert("L")
        assert (image.getpixel((2, 2)) < 60) == (scheme == "dark")


@pytest.mark.parametrize("module", ["page.js", "widgets/drawing/widget.js", "widgets/upload.js", "widgets/widget.js"])
def test_the_types_in_comments_fit(site: Path, module: str) -> None:
    """TypeScript checks JSDoc. The worker is left out: its runtime is minified, and has no types there."""
    settings = "--noEmit --allowJs --checkJs --target esnext --module esnext --moduleResolution bundler"
    folder = site if module == "page.js" else ROOT / "src/pix2pix_colab"
    command = [ROOT / "site/node_modules/.bin/tsc", *settings.split(), "--lib", "esnext,dom,dom.iterable", module]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_page_stays_small(site: Path) -> None:
    """Packed: the page and the runtime; the network is another matter, and depends on the path's width."""
    sizes = [
        file.stat().st_size if file.suffix in (".gz", ".webp", ".png") else len(gzip.compress(file.read_bytes()))
        for file in site.rglob("*")
        if file.is_file() and file.parent.name != "model"
    ]
    assert sum(sizes) < 5_000_000

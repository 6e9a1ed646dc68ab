"""The drawing board's widget in a real browser: with its kernel played by this process, and in JupyterLab.

Also with Colab's versions. What is shown is compared with ``translate``, but for JPEG.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.browser import pixels
from helpers.image_files import encoded
from helpers.jupyter import Notebook, jupyterlab, notebook_of_colab
from helpers.tiny_boards import SIZE, SOURCE, ask, make_board
from PIL import Image
from torch import Tensor

from pix2pix_colab.data import LABEL_COLOURS
from pix2pix_colab.widgets import DrawingBoard

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")
LATE = "The kernel has not answered yet"
JPEG = 6  # levels in the mean


class View:
    """What a user sees and does in one view of the board."""

    def __init__(self, page, number: int = 0):
        self.page, self.root = page, page.locator(".drawing-board").nth(number)
        self.drawing, self.output = (self.root.locator(f"figure.{name} canvas") for name in ("drawing", "output"))
        self.range, self.say = self.root.locator(".lambda input"), self.root.locator("[role=status]")

    def settled(self) -> "View":
        """Wait for the output of what is drawn."""
        playwright.expect(self.root.locator("figure.output[aria-busy=false]")).to_be_visible(timeout=60_000)
        return self

    def picture(self) -> Tensor:
        """The pixels of the output, int (3, S, S)."""
        return pixels(self.settled().output)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> "View":
        """A rectangle by mouse, in pixels of the drawing."""
        self.drawing.scroll_into_view_if_needed()
        box = self.drawing.bounding_box()
        places = [
            [box[way] + (at + 0.5) * box["width"] / SIZE for way, at in zip("xy", p, strict=True)] for p in (start, end)
        ]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=5)
        self.page.mouse.up()
        return self

    def stop(self, i: int) -> "View":
        self.root.locator(".stops span").nth(i).click()
        return self

    def shows(self, board: DrawingBoard, lambda_l1: float) -> None:
        """The output for the label map that the kernel translated last."""
        assert apart(self.picture(), board.translate(lambda_l1)) < JPEG


def apart(a: Tensor, b: Tensor) -> float:
    return (a.int() - b.int()).abs().float().mean().item()


# --- the kernel is this process

MODEL = """async ([esm, data, kind]) => {
    const decode = (text) => {
        const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
        return kind === "DataView" ? new DataView(bytes.buffer) : kind === "ArrayBuffer" ? bytes.buffer : bytes;
    };
    data.examples = data.examples.map(({ name, image }) => ({ name, image: decode(image) }));
    window.listeners = [];
    window.free = Promise.resolve(); // of the kernel
    const model = {
        get: () => data,
        on: (name, listener) => listeners.push(listener),
        off: (name, listener) => listeners.splice(listeners.indexOf(listener), 1),
        async send(request, callbacks, [labels]) {
            const sent = [...new Uint8Array(labels)];
            await free;
            const { image, ...answer } = await askKernel(request, sent);
            for (const listener of [...listeners]) listener(answer, image ? [decode(image)] : []);
        },
    };
    const { default: widget } = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
    window.views = [];
    const parent = () => document.body.appendChild(document.createElement("div"));
    window.open = () => views.push(widget.render({ model, el: parent() }));
    window.observers = 0;
    const { observe, disconnect } = ResizeObserver.prototype;
    ResizeObserver.prototype.observe = function (...of) { observers++; observe.apply(this, of); };
    ResizeObserver.prototype.disconnect = function () { observers--; disconnect.apply(this); };
}"""
BUSY = "() => { window.free = new Promise((done) => { window.release = done; }); }"


@pytest.fixture
def board() -> DrawingBoard:
    return make_board()


@pytest.fixture(params=["DataView", "Uint8Array", "ArrayBuffer"])
def page(request, browser, board) -> Iterator:
    """With ``open()`` for a view; bytes of the kernel come as one kind or another, by the front end."""

    def answer(request: dict, labels: list[int]) -> dict:
        answered = ask(board, request["index"], bytes(labels), request["id"])
        return answered | {"image": base64.b64encode(answered["image"]).decode()}

    page = browser.new_page(viewport={"width": 1100, "height": 1000})
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.clock.install()
    page.expose_function("askKernel", answer)
    page.set_content(f"<!doctype html><style>{board._css}</style>")
    examples = [each | {"image": base64.b64encode(each["image"]).decode()} for each in board.data["examples"]]
    page.evaluate(MODEL, [board._esm, board.data | {"examples": examples}, request.param])
    page.evaluate("open()")
    yield page
    assert complaints == []
    page.close()


one_kind = pytest.mark.parametrize("page", ["DataView"], indirect=True)


def test_the_picture_is_the_output_for_the_drawing(page, board) -> None:
    view = View(page)
    view.shows(board, 100)
    assert torch.equal(board.source, SOURCE[0]) and view.root.locator(".example img").count() == 3
    view.root.locator(".example").nth(1).click()
    view.shows(board, 100)
    assert torch.equal(board.source, SOURCE[1])


@one_kind
def test_two_views_that_ask_at_once_keep_their_drawings(page, board) -> None:
    page.evaluate("open()")
    first, second = View(page).settled(), View(page, 1).settled()
    page.evaluate(BUSY)
    first.drag((10, 10), (90, 90))
    second.drag((60, 60), (120, 120))
    page.evaluate("release()")
    pictures = first.picture(), second.picture()
    assert apart(*pictures) > JPEG
    first.stop(0).picture()
    mine = board.source
    second.stop(0).shows(board, 0)
    assert not torch.equal(board.source, mine)
    assert apart(first.stop(1).picture(), pictures[0]) == 0, "it is the first one's drawing again"
    assert torch.equal(board.source, mine)


@one_kind
def test_a_closed_view_leaves_nothing_behind(page) -> None:
    View(page).settled()
    assert page.evaluate("[listeners.length, observers]") == [1, 1]
    page.evaluate("open()")
    page.evaluate("views[1]()")  # at once, while its example is being read
    assert page.evaluate("[listeners.length, observers]") == [1, 1]
    page.evaluate(BUSY)
    View(page).stop(0)
    page.evaluate("views[0](), release()")
    page.clock.run_for(20_000)
    assert page.evaluate("[listeners.length, observers]") == [0, 0] and View(page).root.count() == 0


@one_kind
def test_a_busy_kernel_is_waited_for_and_one_that_lost_a_request_asked_again(page, board) -> None:
    view = View(page).settled()
    page.evaluate(BUSY)
    view.stop(0)
    page.clock.run_for(14_000)
    assert view.say.inner_text() == ""
    page.clock.run_for(2000)
    playwright.expect(view.say).to_contain_text(LATE)
    page.evaluate("release()")
    playwright.expect(view.say).to_have_text("")
    view.shows(board, 0)
    page.evaluate(BUSY)  # for ever
    view.stop(1)
    page.clock.run_for(16_000)
    playwright.expect(view.say).to_contain_text(LATE)
    page.evaluate("() => { window.free = Promise.resolve(); }")
    view.drag((10, 10), (90, 90)).shows(board, 100)
    assert view.say.inner_text() == ""


@one_kind
def test_an_error_is_shown_and_there_is_a_way_on(page, board) -> None:
    view, networks = View(page).settled(), board.networks
    board.networks = {}
    view.stop(0)
    playwright.expect(view.say).to_have_text("The kernel failed: KeyError: 0")
    board.networks = networks
    view.stop(1).shows(board, 100)
    playwright.expect(view.say).to_have_text("")


@one_kind
def test_what_a_file_is_said_to_be_outlives_the_answer(page) -> None:
    view, photo = View(page).settled(), encoded(Image.effect_noise((64, 64), 80))
    upload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo}
    view.root.locator("input[type=file]").set_input_files(upload)
    playwright.expect(view.say).to_contain_text("This is no label map")
    view.settled()
    playwright.expect(view.say).to_contain_text("This is no label map")


# --- in Jupyter

CELLS = (
    "from helpers.tiny_boards import make_board, save\nboard = make_board()\nboard",
    "board  # a second view of it",
    "save(board)",
    "import time\ntime.sleep(4)",
    "board.palette = board.palette[:1]",
)


def drive_the_board(notebook: Notebook, folder: Path) -> None:
    """What must be so in every Jupyter."""
    page, saved = notebook.page, folder / "board.pt"

    def kernel() -> list[Tensor]:
        """The label map that was translated last, and its output for each λ."""
        saved.unlink(missing_ok=True)
        for _ in range(20):
            if not saved.exists():
                notebook.run(2)
                page.wait_for_timeout(1500)
        return torch.load(saved)

    notebook.start(".drawing-board")
    view = View(page)
    first = view.picture()
    source, _, output = kernel()
    assert apart(first, output) < JPEG and first.float().std() > 10, "the picture of the first example"
    drawn = view.drag((20, 20), (100, 60)).picture()
    box, now = (slice(20, 61), slice(20, 101)), kernel()
    window = torch.tensor(LABEL_COLOURS["window"])[:, None, None]
    assert (now[0][:, *box] == window).all() and not torch.equal(now[0], source)
    assert apart(drawn, now[2]) < JPEG < apart(drawn, first)
    moved = view.stop(0).picture()
    assert apart(moved, now[1]) < JPEG < apart(moved, drawn)

    view.drawing.click(position={"x": 5, "y": 5})
    view.settled()
    place, cell = view.root.bounding_box(), notebook.active_prompt()
    keys = ["ArrowDown", "ArrowRight", " ", *["ArrowRight", "ArrowDown"] * 5, " "]
    for key in keys:
        page.keyboard.press(key)
    view.settled()
    assert view.drawing.evaluate("e => e === document.activeElement"), "Jupyter must leave the keys to the drawing"
    view.range.focus()
    for key, i in (("ArrowRight", 1), ("Home", 0), ("ArrowDown", 0), ("End", 1), ("ArrowUp", 1)):
        page.keyboard.press(key)
        assert view.settled().range.input_value() == str(i)
    assert view.root.bounding_box() == place, "nor scroll by them"
    assert notebook.active_prompt() == cell, "nor go to another cell"
    keyed = view.picture()
    source, _, output = kernel()
    assert apart(keyed, output) < JPEG and (source[:, 15, 15] == window[:, 0, 0]).all(), "a window was drawn by keys"

    notebook.run(1)
    page.locator(".drawing-board").nth(1).wait_for(timeout=60_000)
    second = View(page, 1)
    assert apart(second.picture(), first) == 0, "it begins anew"
    notebook.run(3)  # the kernel is busy, and both ask
    view.drag((0, 0), (40, 120))
    second.stop(0)
    mine, yours = view.picture(), second.picture()
    assert apart(second.stop(1).picture(), first) == 0, "it still has its own drawing"
    assert apart(view.stop(0).picture(), kernel()[1]) < JPEG
    assert apart(view.stop(1).picture(), mine) == 0 and apart(mine, yours) > JPEG

    notebook.run(4)
    for end in (20, 30, 40):  # the cell may be run after the first of them
        view.drag((5, 5), (end, end)).settled()
    playwright.expect(view.say).to_have_text("This is no label map of 128 px with 1 classes.")
    assert notebook.complaints == []


def test_the_widget_in_jupyterlab(browser, tmp_path) -> None:
    with jupyterlab(browser, tmp_path, CELLS) as notebook:
        drive_the_board(notebook, tmp_path)


def test_the_widget_with_colabs_versions(browser, colab, tmp_path) -> None:
    with notebook_of_colab(browser, colab, tmp_path, CELLS) as notebook:
        drive_the_board(notebook, tmp_path)

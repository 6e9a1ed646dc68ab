"""The λ slider in a real browser: its page, and the widget in JupyterLab and with Colab's versions.

Every image has a flat colour of its own, so what a canvas shows tells which image it is.
"""

import io
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.browser import pinch, touch
from helpers.flat_slider import (
    LAMBDAS,
    make_path_slider,
    make_slider,
    output_colour,
    path_colour,
    source_colour,
    target_colour,
    webp,
)
from helpers.image_files import encoded
from helpers.jupyter import Notebook, jupyterlab, notebook_of_colab
from PIL import Image

from pix2pix_colab.widgets import LambdaSlider

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")

TOLERANCE = 4  # levels


class View:
    """What a user sees and does, on the page or within a cell's output."""

    def __init__(self, page, number: int = 0):
        self.page, self.root = page, page.locator(".lambda-slider").nth(number)
        playwright.expect(self.root).to_have_attribute("aria-busy", "false", timeout=60_000)
        self.lambdas = self.root.locator(".lambda input")

    def canvas(self, pane: int):
        return self.root.locator(".stage figure:not([hidden]) canvas").nth(pane)

    def pixel(self, pane: int, x: float = 0.5, y: float = 0.5) -> tuple[int, int, int]:
        """The colour at a share of the width and height of a canvas, transparent pixels refused."""
        read = """(canvas, [x, y]) => [...canvas.getContext("2d").getImageData(
            Math.min(canvas.width - 1, x * canvas.width), Math.min(canvas.height - 1, y * canvas.height), 1, 1).data]"""
        *colour, alpha = self.canvas(pane).evaluate(read, [x, y])
        assert alpha == 255, "a canvas must never be blank"
        return tuple(colour)

    def shows(self, pane: int, colour: tuple[int, int, int], x: float = 0.5, y: float = 0.5) -> None:
        """Wait until that is so."""
        end = time.monotonic() + 10
        while True:
            found = self.pixel(pane, x, y)
            if all(abs(a - b) <= TOLERANCE for a, b in zip(found, colour, strict=True)):
                return
            assert time.monotonic() < end, f"pane {pane} shows {found}, not {colour}"

    def stands_at(self, i: int, image: int = 0) -> None:
        """Side by side, λ number i of a test image."""
        for pane, colour in enumerate((source_colour(image), output_colour(i, image), target_colour(image))):
            self.shows(pane, colour)
        assert self.lambdas.input_value() == str(i)

    def choose(self, view: str) -> None:
        self.root.locator(f".views input[value={view}]").check(force=True)

    def drag(self, locator, start: tuple[float, float], end: tuple[float, float]) -> None:
        """By mouse, from one share of an element's width and height to another."""
        locator.scroll_into_view_if_needed()
        box = locator.bounding_box()
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        self.page.mouse.move(*points[1], steps=6)
        self.page.mouse.up()

    def drag_lambda(self, start: int, end: int, last: int = 5) -> None:
        at = [(11 + i / last * (self.lambdas.bounding_box()["width"] - 22)) for i in (start, end)]  # the thumb is 22 px
        width = self.lambdas.bounding_box()["width"]
        self.drag(self.lambdas, (at[0] / width, 0.5), (at[1] / width, 0.5))


@contextmanager
def opened(browser, path: Path, **context) -> Iterator[View]:
    """The page, which must ask for nothing but itself and report no error."""
    page = browser.new_context(**{"viewport": {"width": 1100, "height": 900}} | context).new_page()
    complaints, requests = [], []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    yield View(page)
    assert complaints == []
    assert [url for url in requests if not url.startswith(("blob:", "data:"))] == [path.as_uri()]
    page.context.close()


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_slider().save_page(tmp_path_factory.mktemp("page") / "lambda.html")


@pytest.fixture
def view(browser, page_path) -> Iterator[View]:
    with opened(browser, page_path) as view:
        yield view


def test_the_page_starts_at_the_papers_choice(view):
    view.stands_at(3)
    assert " ".join(view.root.locator(".heading").inner_text().split()) == "λ = 100 the paper's choice: a balance"


def test_lambda_moves_by_mouse(view):
    for start, end in ((3, 5), (5, 0), (0, 2)):
        view.drag_lambda(start, end)
        view.stands_at(end)
    view.root.locator(".stops span").nth(4).click()
    view.stands_at(4)


def test_lambda_moves_by_key(view):
    view.lambdas.focus()
    for key, i in (("ArrowRight", 4), ("End", 5), ("ArrowRight", 5), ("Home", 0), ("ArrowLeft", 0), ("ArrowRight", 1)):
        view.page.keyboard.press(key)
        view.stands_at(i)
        assert view.lambdas.get_attribute("aria-valuetext") == ("L1 only" if i == 5 else f"λ = {LAMBDAS[i]}")


def test_arrow_keys_move_lambda_after_a_click_on_an_image(view):
    view.canvas(1).click()
    view.page.keyboard.press("ArrowLeft")
    view.stands_at(2)


def test_the_test_image_moves_by_thumbnail_and_by_key(view):
    view.root.locator(".thumbnails button").nth(2).click()
    view.stands_at(3, image=2)
    for key, image in (("ArrowDown", 2), ("ArrowUp", 1), ("ArrowUp", 0), ("ArrowUp", 0), ("ArrowDown", 1)):
        view.page.keyboard.press(key)
        view.stands_at(3, image)
    pressed = view.root.locator(".thumbnails button[aria-pressed=true] img")
    assert pressed.count() == 1 and pressed.get_attribute("alt") == "test image 2"


def test_a_b_wipe(view):
    view.choose("wipe")
    view.shows(0, output_colour(3, 0), x=0.25)
    view.shows(0, output_colour(5, 0), x=0.75)
    view.drag(view.canvas(0), (0.5, 0.5), (0.9, 0.6))
    view.shows(0, output_colour(3, 0), x=0.8)
    view.shows(0, output_colour(5, 0), x=0.95)
    view.root.locator(".divider").focus()
    view.page.keyboard.press("Home")  # of the divider, which does not move λ
    view.shows(0, output_colour(5, 0), x=0.1)
    view.page.keyboard.press("End")
    view.shows(0, output_colour(3, 0), x=0.9)
    for key, scale in (("+", "2×"), ("0", "1×")):  # these zoom even here
        view.page.keyboard.press(key)
        assert view.root.locator(".zoom output").inner_text() == scale
    view.drag(view.canvas(0), (0.98, 0.5), (0.5, 0.5))
    view.root.locator("select").select_option(label="λ = 1")
    view.shows(0, output_colour(1, 0), x=0.75)
    view.root.locator("select").select_option(label="the target")
    view.shows(0, target_colour(0), x=0.75)
    view.lambdas.focus()
    view.page.keyboard.press("Home")
    view.shows(0, output_colour(0, 0), x=0.25)
    view.shows(0, target_colour(0), x=0.75)


def test_difference_to_the_target(view):
    view.choose("difference")
    view.lambdas.focus()
    for key, i in (("Home", 0), ("ArrowRight", 1), ("End", 5)):
        view.page.keyboard.press(key)
        apart = zip(output_colour(i, 0), target_colour(0), strict=True)
        view.shows(0, output_colour(i, 0))
        view.shows(1, tuple(min(255, 2 * abs(a - b)) for a, b in apart))
        view.shows(2, target_colour(0))


def test_all_lambdas_at_once(view):
    view.choose("all")
    for i in range(6):
        view.shows(i, output_colour(i, 0))
    assert view.root.locator("figure.current figcaption").all_inner_texts() == ["λ = 100"]
    view.lambdas.focus()
    view.page.keyboard.press("ArrowDown")
    view.page.keyboard.press("Home")
    for i in range(6):
        view.shows(i, output_colour(i, 1))
    assert view.root.locator("figure.current figcaption").all_inner_texts() == ["λ = 0"]
    view.choose("side")
    view.stands_at(0, image=1)


@pytest.fixture(scope="module")
def quartered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 96×64 whose upper left quarter is red, green or blue by λ."""
    outputs = {
        k: [webp((90, 90, 90), (96, 64), corner=corner), webp((90, 90, 90), (96, 64), corner=(255, 255, 255))]
        for k, corner in ((0, (255, 0, 0)), (10, (0, 255, 0)), (math.inf, (0, 0, 255)))
    }
    slider = LambdaSlider(outputs, [webp((0, 0, 0), (96, 64))] * 2, value=0)
    return slider.save_page(tmp_path_factory.mktemp("quartered") / "page.html")


def test_zoom_is_kept_while_lambda_moves(browser, quartered):
    with opened(browser, quartered) as view:
        view.choose("side")
        view.shows(1, (255, 0, 0), 0.25, 0.25)
        view.shows(1, (90, 90, 90), 0.75, 0.75)
        box = view.canvas(1).bounding_box()
        assert box["width"] / box["height"] == pytest.approx(96 / 64, rel=0.02), "images keep their aspect"
        view.canvas(1).dblclick(position={"x": box["width"] * 0.3, "y": box["height"] * 0.3})
        view.shows(1, (255, 0, 0), 0.75, 0.75)  # at four times the size the quarter fills the view
        for key, corner in (("ArrowRight", (0, 255, 0)), ("End", (0, 0, 255)), ("ArrowDown", (255, 255, 255))):
            view.page.keyboard.press(key)
            for x, y in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.8, 0.8)):
                view.shows(1, corner, x, y)
        assert view.root.locator(".zoom output").inner_text() == "4×"
        view.drag(view.canvas(1), (0.9, 0.9), (0.1, 0.1))  # pan
        view.drag(view.canvas(1), (0.9, 0.9), (0.1, 0.1))
        view.drag(view.canvas(1), (0.9, 0.9), (0.1, 0.1))
        view.shows(1, (90, 90, 90), 0.5, 0.5)
        view.page.keyboard.press("0")
        view.shows(1, (255, 255, 255), 0.25, 0.25)
        view.shows(1, (90, 90, 90), 0.75, 0.75)


def test_zoom_by_keys_buttons_and_wheel(browser, quartered):
    with opened(browser, quartered) as view:
        view.choose("side")
        zoomed, canvas = view.root.locator(".zoom output"), view.canvas(1)
        view.lambdas.focus()
        for key, scale in (("+", "2×"), ("=", "4×"), ("-", "2×"), ("0", "1×"), ("-", "1×")):
            view.page.keyboard.press(key)
            assert zoomed.inner_text() == scale
        view.root.get_by_label("Zoom in").click()
        assert zoomed.inner_text() == "2×"
        view.root.get_by_label("Zoom out").click()
        assert zoomed.inner_text() == "1×" and view.root.get_by_label("Zoom out").is_disabled()
        canvas.hover()
        taken = (
            "() => new Promise(done => addEventListener('wheel', event => done(event.defaultPrevented), {once: true}))"
        )
        view.page.evaluate(f"() => {{ window.taken = ({taken})(); }}")
        view.page.mouse.wheel(0, -100)
        assert not view.page.evaluate("window.taken") and zoomed.inner_text() == "1×", "a wheel alone scrolls the page"
        view.page.keyboard.down("Control")
        view.page.mouse.wheel(0, -100)
        view.page.keyboard.up("Control")
        playwright.expect(zoomed).to_have_text("2.7×")


def test_an_uploaded_image_has_neither_target_nor_thumbnails(browser, tmp_path):
    outputs = {k: [webp(output_colour(i, 0), (50, 30))] for i, k in enumerate(LAMBDAS)}
    slider = LambdaSlider(outputs, [webp(source_colour(0), (50, 30))], names=["mine.png"])
    path = slider.save_page(tmp_path / "uploaded.html")
    with opened(browser, path) as view:
        assert view.root.locator(".views label").all_inner_texts() == ["Side by side", "A/B wipe", "All λ"]
        assert not view.root.locator(".thumbnails").is_visible() and not view.root.locator(".metrics").is_visible()
        view.shows(0, source_colour(0))  # every λ at once
        for i in range(6):
            view.shows(i + 1, output_colour(i, 0))
        assert view.canvas(6).get_attribute("aria-label") == "L1 only, mine.png"
        view.lambdas.focus()
        view.page.keyboard.press("End")
        assert view.root.locator("figure.current figcaption").all_inner_texts() == ["L1 only"]
        assert abs(view.pixel(6, 0, 0)[2] - 200) > 50, "and the one that the slider stands at is framed"
        view.shows(4, output_colour(3, 0), 0, 0)
        view.choose("side")
        assert view.root.locator("figure:not([hidden])").count() == 2
        view.choose("wipe")
        assert "the target" not in view.root.locator("option").all_inner_texts()


def test_metrics_are_those_of_lambda(view):
    values = view.root.locator(".metrics td:last-child")
    assert values.all_inner_texts() == ["0.300", "12.3"]
    view.lambdas.focus()
    view.page.keyboard.press("End")
    assert values.all_inner_texts() == ["0.500", "–"]
    assert view.root.locator(".metrics th").all_inner_texts() == ["L1 ↓", "KID ↓"]
    assert view.root.locator("caption").inner_text() == "of 24 images"


@pytest.mark.parametrize(("name", "pane"), [("side", 1), ("wipe", 0), ("difference", 0)])
def test_moves_neither_flicker_nor_grow(view, name, pane):
    """Right after each of fifty moves, with no frame in between, the right pixels are there and nothing was rebuilt."""
    view.choose(name)
    watch = """(root, pane) => new Promise(done => {
        let changes = 0;
        const observer = new MutationObserver(records => (changes += records.filter(r => r.target.localName != "svg" &&
            [...r.addedNodes, ...r.removedNodes].some(n => n.nodeType == 1)).length));
        observer.observe(root, { childList: true, subtree: true });
        const input = root.querySelector(".lambda input"), canvas = root.querySelectorAll(".stage canvas")[pane];
        const height = root.offsetHeight, wrong = [];
        for (let n = 0; n < 50; n++) {
            input.value = n % 6;
            input.dispatchEvent(new Event("input"));
            const [red,,, alpha] = canvas.getContext("2d").getImageData(9, 9, 1, 1).data;
            if (Math.abs(red - (40 * (n % 6) + 20)) > 6 || alpha != 255 || root.offsetHeight != height) wrong.push(n);
        }
        setTimeout(() => done([wrong, changes]), 50);
    })"""
    assert view.root.evaluate(watch, pane) == [[], 0]


def test_another_mouse_button_moves_nothing(view):
    view.choose("wipe")
    box = view.canvas(0).bounding_box()
    view.page.mouse.move(box["x"] + 20, box["y"] + 20)
    view.page.mouse.down(button="right")
    view.page.mouse.move(box["x"] + 40, box["y"] + 20)
    view.page.mouse.up(button="right")
    view.shows(0, output_colour(3, 0), x=0.4)


def test_words_are_no_html(browser, tmp_path):
    evil = "<img src=x onerror=alert(1)><b>&amp;{{data}}"
    slider = make_slider(names=[evil] * 3, caption=evil, metrics={evil: {0: 1.0}})
    with opened(browser, slider.save_page(tmp_path / "evil.html", title=evil)) as view:
        assert view.page.title() == view.page.locator("h1").inner_text() == evil
        assert view.root.locator("th").inner_text() == view.root.locator("caption").inner_text() == evil
        assert view.root.locator("img").first.get_attribute("alt") == evil
        assert view.root.locator("img").count() == 3 and view.root.locator("b").count() == 1


def test_what_is_no_image_gets_a_sentence(browser, tmp_path):
    path = LambdaSlider({0: [b"no image"]}, [webp((0, 0, 0))]).save_page(tmp_path / "page.html")
    with browser.new_page() as page:
        page.goto(path.as_uri())
        playwright.expect(page.locator(".stage")).to_contain_text("The browser can't show these images")


def test_who_cannot_see_the_images_is_told(view):
    assert view.canvas(1).get_attribute("aria-label") == "λ = 100, test image 1"
    assert view.canvas(0).get_attribute("aria-label") == "source, test image 1"
    alts = view.root.locator("img").evaluate_all("images => images.map(image => image.alt)")
    assert alts == ["test image 1", "test image 2", "test image 3"]
    view.choose("wipe")
    reached = set()
    for _ in range(20):
        view.page.keyboard.press("Tab")
        words = "e => e.ariaLabel || (e.matches('select') ? 'against' : e.value || e.querySelector('img')?.alt || '')"
        reached.add(view.page.locator(":focus").evaluate(words) if view.page.locator(":focus").count() else "")
    assert {"λ", "wipe", "against", "Zoom in", "Divider between A and B", *alts} <= reached, "all can be reached by Tab"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in(scheme, browser, page_path):
    """A contrast of 4.5, as WCAG 2.1 has it (1.4.3)."""
    with opened(browser, page_path, color_scheme=scheme) as view:
        image = Image.open(io.BytesIO(view.page.screenshot())).convert("L")
        assert (image.getpixel((2, 2)) < 40) == (scheme == "dark")
        contrast = """element => {
            const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
            const light = colour => {
                for (const each of [BACK, ...behind, colour]) {
                    context.fillStyle = each;
                    context.fillRect(0, 0, 1, 1);
                }
                const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map(
                    c => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = [];
            for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
            const [a, b] = [light(getComputedStyle(element).color), light("transparent")];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }""".replace("BACK", "'#121212'" if scheme == "dark" else "'#ffffff'")
        view.choose("wipe")
        words = "b, span, label, select, figcaption, th, td:last-child, caption, output, button:enabled"
        for each in [each for each in view.root.locator(words).all() if each.inner_text().strip()]:
            assert each.evaluate(contrast) >= 4.5, each.inner_text()


def test_it_fits_a_phone_and_is_moved_by_fingers(browser, page_path):
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    with opened(browser, page_path, **phone) as view:
        assert view.page.evaluate("document.documentElement.scrollWidth") <= 390
        tops = [view.canvas(pane).bounding_box()["y"] for pane in range(3)]
        assert tops[1] < tops[0] == tops[2], "the output is on top"
        view.root.locator(".thumbnails button").nth(1).tap()
        view.stands_at(3, image=1)
        view.root.locator(".views label").nth(1).tap()

        def place(x: float, y: float = 0.5) -> tuple[float, float]:
            box = view.canvas(pane).bounding_box()
            return box["x"] + x * box["width"], box["y"] + y * box["height"]

        pane = 0
        view.canvas(pane).scroll_into_view_if_needed()
        touch(view.page, [place(0.5), place(0.7), place(0.9)])
        view.shows(0, output_colour(3, 1), x=0.8)
        view.shows(0, output_colour(5, 1), x=0.96)
        view.choose("side")
        pane = 1
        view.canvas(pane).scroll_into_view_if_needed()
        pinch(view.page, (place(0.4), place(0.6)), (place(0.2), place(0.8)))
        playwright.expect(view.root.locator(".zoom output")).to_have_text("3×")


# --- a λ path: what is between two stops is interpolated


@pytest.fixture(scope="module")
def path_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_path_slider().save_page(tmp_path_factory.mktemp("path") / "lambda.html")


@pytest.fixture
def path_view(browser, path_page) -> Iterator[View]:
    with opened(browser, path_page) as view:
        yield view


def between(view: View, i: int, heading: str, stop: str | None = None) -> None:
    """Side by side, position number i of the path; ``stop`` is the highlighted one."""
    view.shows(1, path_colour(i, 0))
    assert view.lambdas.input_value() == str(i)
    assert " ".join(view.root.locator(".heading").inner_text().split()) == heading
    assert view.root.locator(".stops .current").all_inner_texts() == ([stop] if stop else [])


def test_the_handle_goes_between_the_stops_by_mouse(path_view):
    between(path_view, 12, "λ = 100 the paper's choice: a balance", "100")
    for start, end, name, around in ((12, 10, "32", "λ = 10 and λ = 100"), (10, 18, "2000", "λ = 1000 and L1 only")):
        path_view.drag_lambda(start, end, last=20)
        between(path_view, end, f"λ = {name} interpolated between {around}")
        said = path_view.lambdas.get_attribute("aria-valuetext")
        assert said == f"λ = {name}, interpolated between {around}"
    path_view.root.locator(".stops span").nth(1).click()
    between(path_view, 4, "λ = 1 more adversarial than the paper", "1")


def test_arrows_go_fine_and_page_keys_from_stop_to_stop(path_view):
    path_view.lambdas.focus()
    up = [("ArrowRight", 13), ("PageUp", 16), ("PageUp", 20), ("PageUp", 20)]
    down = [("ArrowLeft", 19), ("PageDown", 16), ("PageDown", 12), ("Home", 0), ("PageDown", 0)]
    for key, i in up + down:
        path_view.page.keyboard.press(key)
        path_view.shows(1, path_colour(i, 0))


@pytest.mark.parametrize("stops", [LAMBDAS, (0, 10, math.inf)], ids=["even", "uneven"])
def test_the_marks_stand_where_the_handle_is_at_a_stop(browser, tmp_path, stops):
    outputs = {k: [webp((90, 90, 90))] for k in (0, 0.5, 1, 10, 32, 100, 1000, math.inf)}
    path = LambdaSlider(outputs, [webp((0, 0, 0))], stops=stops).save_page(tmp_path / "page.html")
    with opened(browser, path) as view:
        track = view.lambdas.bounding_box()
        labels = [label.bounding_box() for label in view.root.locator(".stops span").all()]
        handles = [track["x"] + 11 + (track["width"] - 22) * list(outputs).index(stop) / 7 for stop in stops]
        assert [box["x"] + box["width"] / 2 for box in labels] == pytest.approx(handles, abs=0.5)


def test_all_stops_at_once_and_what_is_between_them_in_its_place(path_view):
    path_view.choose("all")
    path_view.lambdas.focus()
    stops, captions = [0, 4, 8, 12, 16, 20], path_view.root.locator("figure:not([hidden]) figcaption")
    heights = set()
    for key, i in (("PageDown", 8), ("ArrowRight", 9), ("ArrowRight", 10), ("PageUp", 12)):
        path_view.page.keyboard.press(key)
        path_view.shows(0, source_colour(0))
        shown = sorted({*stops, i})
        for pane, each in enumerate(shown, 1):
            path_view.shows(pane, path_colour(each, 0))
        assert captions.count() == 1 + len(shown)
        heights.add(path_view.root.bounding_box()["height"])
    path_view.page.keyboard.press("ArrowLeft")
    names = ["source", "λ = 0", "λ = 1", "λ = 10", "λ = 56", "λ = 100", "λ = 1000", "L1 only"]
    assert captions.all_inner_texts() == names
    assert path_view.root.locator("figure.current figcaption").all_inner_texts() == ["λ = 56"]
    assert abs(path_view.pixel(4, 0, 0)[2] - 100) > 50, "it is framed"
    assert len(heights) == 1, "nothing below moves"


def test_a_b_wipe_of_what_is_between_against_a_stop(path_view):
    path_view.choose("wipe")
    names = ["λ = 0", "λ = 1", "λ = 10", "λ = 100", "λ = 1000", "L1 only", "the target"]
    assert path_view.root.locator("option").all_inner_texts() == names
    path_view.drag_lambda(12, 10, last=20)
    path_view.shows(0, path_colour(10, 0), x=0.25)
    path_view.shows(0, path_colour(20, 0), x=0.75)
    path_view.root.locator("select").select_option(label="λ = 1")
    path_view.shows(0, path_colour(4, 0), x=0.75)
    assert path_view.root.locator("figcaption").first.inner_text() == "A: λ = 32  |  B: λ = 1"


def test_metrics_are_a_line_through_what_was_measured(path_view):
    values, circles = path_view.root.locator(".metrics td:last-child"), path_view.root.locator(".metrics tr circle")
    points = path_view.root.locator("polyline").evaluate_all("lines => lines.map(line => line.points.numberOfItems)")
    assert points == [21, 2]
    assert (values.all_inner_texts(), circles.count()) == (["0.120", "12.3"], (6 + 1) + (2 + 1))
    path_view.lambdas.press("ArrowLeft")
    assert (values.all_inner_texts(), circles.count()) == (["0.110", "–"], (6 + 1) + 2)


def test_a_path_on_a_phone_is_moved_by_a_finger(browser, path_page):
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    with opened(browser, path_page, **phone) as view:
        assert view.page.evaluate("document.documentElement.scrollWidth") <= 390
        top, box = view.canvas(1).bounding_box()["y"], view.lambdas.bounding_box()
        y = box["y"] + box["height"] / 2
        touch(view.page, [(box["x"] + 11 + (box["width"] - 22) * i / 20, y) for i in (12, 11, 10)])
        between(view, 10, "λ = 32 interpolated between λ = 10 and λ = 100")
        assert view.canvas(1).bounding_box()["y"] == top, "nothing below moves"


# --- the widget

CELLS = (
    "from helpers.flat_slider import make_slider\nslider = make_slider()\nslider",
    "slider  # a second view of it",
    "print('at', slider.value, slider.image)",
    "slider.value = 1",
    "from helpers.flat_slider import compare\nfrom pix2pix_colab.widgets import ImageUpload\nImageUpload(compare)",
)


def drive_the_widget(notebook: Notebook) -> None:
    """What must be so in every Jupyter."""
    page = notebook.page
    notebook.start(".lambda-slider")
    view = View(page)
    view.stands_at(3)
    height = view.root.bounding_box()["height"]
    view.drag_lambda(3, 5)
    view.stands_at(5)
    notebook.python_says(2, "at inf 0")
    view.lambdas.click(position={"x": 11, "y": 15})
    place, cell = view.root.bounding_box(), notebook.active_prompt()
    for key, i, image in (("Home", 0, 0), ("ArrowRight", 1, 0), ("ArrowRight", 2, 0), ("ArrowDown", 2, 1)):
        page.keyboard.press(key)
        view.stands_at(i, image)
    assert view.lambdas.evaluate("e => e === document.activeElement"), "Jupyter must leave the arrow keys to the slider"
    assert view.root.bounding_box() == place, "nor scroll by them"
    assert notebook.active_prompt() == cell, "nor go to another cell"
    notebook.python_says(2, "at 10 1")
    notebook.run(3)
    view.stands_at(1, image=1)  # as Python says
    notebook.run(1)
    second = View(page, 1)
    view.lambdas.focus()
    page.keyboard.press("End")
    second.stands_at(5, image=1)  # both views are of one slider
    view.choose("wipe")
    view.shows(0, output_colour(5, 1), x=0.25)
    view.choose("side")
    assert view.root.bounding_box()["height"] == pytest.approx(height, abs=2), "the output must not grow"
    notebook.run(4)
    page.locator(".image-upload").wait_for(timeout=30_000)
    for content, words in ((b"text", "<b>this</b> is no image"), (webp((200, 60, 20)), ""), (large_photo(), "")):
        page.locator(".image-upload input").set_input_files(
            {"name": "mine.webp", "mimeType": "image/webp", "buffer": content}
        )
        playwright.expect(page.locator(".image-upload [role=status]")).to_have_text(words, timeout=30_000)
    playwright.expect(page.locator(".lambda-slider")).to_have_count(3)  # the first image's has gone
    View(page, 2).shows(1, (20, 60, 200), x=0.4)
    notebook.python_says(2, "at inf 1")  # the kernel is still there
    assert notebook.complaints == []


def large_photo() -> bytes:
    """A JPEG of more than 6 MB, which Colab's own upload would lose the kernel over; blue in the middle."""
    image = Image.merge("RGB", [Image.effect_noise((3000, 2000), 200) for _ in range(3)])
    image.paste((20, 60, 200), (750, 500, 2250, 1500))
    content = encoded(image, "JPEG", quality=97)
    assert len(content) > 6_000_000
    return content


def test_the_widget_in_jupyterlab(browser, tmp_path):
    with jupyterlab(browser, tmp_path, CELLS) as notebook:
        drive_the_widget(notebook)


def test_the_widget_with_colabs_versions(browser, colab, tmp_path):
    with notebook_of_colab(browser, colab, tmp_path, CELLS) as notebook:
        drive_the_widget(notebook)

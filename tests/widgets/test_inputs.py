"""What a slider does with fingers, keys and numbers that nobody expects, in a real browser: it never stops."""

from collections.abc import Iterator

import pytest
from helpers.browser import BITMAPS, mount
from helpers.flat_slider import make_path_slider, make_slider
from helpers.tiny_boards import make_board

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")

TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def page(browser) -> Iterator:
    """With a slider in it, which reports no error."""
    context = browser.new_context(has_touch=True, viewport={"width": 1000, "height": 900})
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.evaluate(BITMAPS)
    mount(page, make_slider())
    playwright.expect(page.locator(".lambda-slider")).to_have_attribute("aria-busy", "false")
    yield page
    assert complaints == []
    context.close()


def lambda_moves_the_picture(page) -> None:
    """And the heading says which λ it is."""
    root = page.locator(".lambda-slider")
    seen = []
    for key, heading in (("Home", "λ = 0"), ("End", "L1 only")):
        root.locator(".lambda input").press(key)
        assert root.locator(".heading b").inner_text() == heading
        seen.append(root.locator("figure.main canvas").evaluate("canvas => canvas.toDataURL()"))
    assert seen[0] != seen[1] and "NaN" not in root.inner_text()


def zoom_of(page) -> str:
    return page.locator(".zoom output").inner_text()


class Fingers:
    """Fingers by their numbers, each at a point of the middle picture given as shares of its sides."""

    def __init__(self, page):
        self.session, self.box = page.context.new_cdp_session(page), page.locator("figure.main canvas").bounding_box()
        self.page, self.down = page, {}

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]

    def touch(self, kind: str, **fingers: tuple[float, float]) -> "Fingers":
        self.down = {} if kind == "touchEnd" else self.down | fingers
        points = [
            dict(zip("xy", self.at(*place), strict=True)) | {"id": i} for i, place in enumerate(self.down.values())
        ]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self.page.evaluate(TWO_FRAMES)  # or the browser makes one move of two
        return self


def test_two_fingers_on_one_point(page):
    fingers = Fingers(page).touch("touchStart", a=(0.4, 0.4)).touch("touchStart", b=(0.4, 0.4))
    fingers.touch("touchMove", a=(0.5, 0.4), b=(0.5, 0.4))
    assert zoom_of(page) == "1×"
    fingers.touch("touchMove", a=(0.4, 0.4), b=(0.6, 0.4))  # each moves by itself, so that the first has no ratio
    assert zoom_of(page) == "2×"
    fingers.touch("touchMove", a=(0.3, 0.4), b=(0.7, 0.4)).touch("touchEnd")
    assert zoom_of(page) == "4×"
    lambda_moves_the_picture(page)


def test_a_finger_on_the_mouse(page):
    fingers = Fingers(page)
    page.mouse.move(*fingers.at(0.4, 0.4))
    page.mouse.down()
    fingers.touch("touchStart", a=(0.4, 0.4))
    page.mouse.move(*fingers.at(0.4, 0.4))
    fingers.touch("touchEnd")
    page.mouse.up()
    lambda_moves_the_picture(page)


def test_three_fingers_neither_zoom_nor_pan(page):
    fingers = Fingers(page).touch("touchStart", a=(0.2, 0.2)).touch("touchStart", b=(0.4, 0.4))
    fingers.touch("touchStart", c=(0.6, 0.6)).touch("touchMove", a=(0.1, 0.1), b=(0.5, 0.4), c=(0.9, 0.9))
    assert zoom_of(page) == "1×"
    fingers.touch("touchEnd")
    lambda_moves_the_picture(page)


@pytest.mark.parametrize("view", ["side", "wipe", "difference", "all"])
def test_gestures_on_a_slider_without_a_size(page, view):
    """As in a folded output: each place is 0 / 0 of its width."""
    page.locator(f".views input[value={view}]").check(force=True)
    page.locator(".stage").evaluate("stage => (stage.style.display = 'none')")
    page.locator("canvas").first.evaluate(
        """canvas => {
            const at = (kind, id, clientX) => canvas.dispatchEvent(
                new PointerEvent(kind, { pointerId: id, clientX, clientY: 9, bubbles: true, isPrimary: true }));
            canvas.setPointerCapture = () => {};
            at("pointerdown", 1, 9), at("pointermove", 1, 9), at("pointermove", 1, 30);
            at("pointerdown", 2, 9), at("pointermove", 2, 9), at("pointerup", 1, 9), at("pointerup", 2, 9);
            canvas.dispatchEvent(new MouseEvent("dblclick", { clientX: 9, clientY: 9 }));
            for (const deltaY of [-1e9, 1e9]) canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, ctrlKey: true }));
        }"""
    )
    page.locator(".stage").evaluate("stage => (stage.style.display = '')")
    page.locator(".views input[value=side]").check(force=True)
    lambda_moves_the_picture(page)


@pytest.mark.parametrize("number", ["99", "-3", "1.4", "NaN", "null", "'3'", "undefined", "Infinity"])
def test_a_number_that_is_not_there_leaves_a_picture(page, number):
    """Python refuses it; whoever sets it in the browser still sees something."""
    for name in ("index", "image"):
        page.evaluate(f"tell('{name}', {number})")
        assert "undefined" not in page.locator(".lambda-slider").inner_text()
    lambda_moves_the_picture(page)


def test_a_slider_that_is_taken_down_gives_its_memory_back(page):
    assert page.evaluate("bitmaps.open") == (6 + 2) * 3
    page.evaluate("cleanUp()")
    page.wait_for_function("bitmaps.open == 0")
    assert page.evaluate("[listening(), document.querySelectorAll('.lambda-slider').length]") == [0, 0]


def test_so_does_one_that_is_taken_down_while_it_decodes(page):
    page.evaluate("cleanUp()")
    mount(page, make_path_slider())
    page.evaluate("cleanUp()")
    page.wait_for_function("bitmaps.made == bitmaps.wanted && bitmaps.open == 0")


def test_gestures_on_a_board_without_a_size(browser):
    """As in an output that is folded, also in the middle of a drag: the drawing stays, and drawing goes on."""
    page, complaints = browser.new_page(viewport={"width": 1000, "height": 900}), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    mount(page, make_board())
    drawing, undo = page.locator("figure.drawing canvas"), page.locator("[data-do=undo]")
    page.locator(".pills input[value=move]").check(force=True)
    picture = "canvas => canvas.toDataURL()"
    side = 0.45 * drawing.bounding_box()["width"]
    drawing.click(position={"x": side, "y": side})  # which selects the part there, and frames it
    before = drawing.evaluate(picture)
    drawing.evaluate(
        """async canvas => {
            canvas.setPointerCapture = () => {};
            const { left, top, width } = canvas.getBoundingClientRect();
            const at = (kind, share) => canvas.dispatchEvent(new PointerEvent(kind, { pointerId: 1, isPrimary: true,
                clientX: left + share * width, clientY: top + share * width, bubbles: true }));
            const fold = (how) => {
                canvas.parentNode.style.display = how;
                return new Promise((done) => setTimeout(done, 100));
            };
            at("pointerdown", 0.45), await fold("none"), at("pointermove", 0.6), at("pointerup", 0.6);
            at("pointerdown", 0), at("pointermove", 0.3), at("pointerup", 0.3), await fold("");
        }"""
    )
    assert undo.is_disabled() and drawing.evaluate(picture) == before
    page.locator(".pills input[value=rectangle]").check(force=True)
    drawing.focus()
    for key in (" ", *["ArrowRight", "ArrowDown"] * 4, " "):
        page.keyboard.press(key)
    assert undo.is_enabled() and drawing.evaluate(picture) != before and complaints == []
    page.close()


# --- keys

HEARD = """() => {
    window.heard = [];
    document.addEventListener("keydown", (event) => {
        if (!event.target.closest("[data-lm-suppress-shortcuts]")) heard.push([event.key, event.defaultPrevented]);
    });
}"""
FOREIGN = ["Shift+Enter", "Control+Enter", "Control+s", "Meta+s", "Escape", "Tab", "x", "d", "a"]


def heard(page, *keys: str) -> list:
    """The keys that a notebook's listener hears, and whether the widget has used them."""
    page.evaluate("() => (heard.length = 0)")
    for key in keys:
        page.keyboard.press(key)
    return [key for key in page.evaluate("heard") if key[0] not in ("Shift", "Control", "Meta", "Alt")]


def names(keys: list[str]) -> list:
    return [[key.split("+")[-1], False] for key in keys]


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        (".lambda input", [*FOREIGN, "Shift+ArrowDown", "Shift+Home", "Alt+ArrowRight", "Control+Home"]),
        (".views input:checked", FOREIGN),
        (".divider", FOREIGN),
        (".thumbnails button", [*FOREIGN, "Shift+ArrowDown", "Alt+ArrowDown"]),
        ("select", ["Control+s", "Escape", "Tab"]),  # Enter opens it, and letters choose
    ],
)
def test_keys_that_the_slider_does_not_use_reach_the_notebook(page, part, keys):
    page.evaluate(HEARD)
    page.locator(".views input[value=wipe]").check(force=True)
    focused = page.locator(part).first
    for key in keys:
        focused.evaluate("element => element.focus()")
        assert heard(page, key) == names([key]), key


def test_keys_that_it_uses_do_not(page):
    page.evaluate(HEARD)
    page.locator(".lambda input").focus()
    own = ["ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown", "ArrowUp", "ArrowDown", "+", "-", "0"]
    assert heard(page, *own) == []
    page.locator(".views input:checked").focus()
    assert heard(page, "ArrowRight", "ArrowLeft", " ") == [], "the browser moves a radio button by arrows"
    page.locator(".thumbnails button").first.focus()
    assert heard(page, "Enter", " ") == [], "and presses a button"


def test_the_board_leaves_keys_too(browser):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    mount(page, make_board())
    page.evaluate(HEARD)
    for part in ("figure.drawing canvas", ".lambda input", ".palette input:checked", ".pills input:checked"):
        for key in FOREIGN:
            page.locator(part).first.evaluate("element => element.focus()")
            assert heard(page, key) == names([key]), (part, key)
    page.locator("figure.drawing canvas").evaluate("element => element.focus()")
    own = ["ArrowLeft", "Shift+ArrowDown", " ", "ArrowDown", "Escape", "Enter", "ArrowUp", "Enter", "Delete"]
    assert heard(page, *own, "Control+z", "Control+Shift+Z", "Control+y") == []
    page.locator(".lambda input").focus()
    assert heard(page, "ArrowLeft", "ArrowUp", "Home", "PageUp") == []
    page.close()

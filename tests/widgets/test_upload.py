"""The upload in a real browser: what the kernel gets of an image that is chosen, dropped or pasted."""

import base64
import io
import re
from collections.abc import Iterator

import pytest
from helpers.browser import BITMAPS, mount
from helpers.image_files import encoded
from PIL import Image

from pix2pix_colab.data import synthetic_facades
from pix2pix_colab.widgets.upload import ImagePicker

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")
MOST = 400_000  # bytes


@pytest.fixture
def page(browser) -> Iterator:
    page, complaints = browser.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.evaluate(BITMAPS)
    mount(page, ImagePicker(form="none"))
    yield page
    assert complaints == [] and page.evaluate("bitmaps.open") == 0
    page.close()


def file_of(image: Image.Image, kind: str = "JPEG", **options) -> dict:
    content = encoded(image, kind, **options)
    return {"name": f"mine.{kind.lower()}", "mimeType": f"image/{kind.lower()}", "buffer": content}


def photo(width: int = 4000, height: int = 3000) -> Image.Image:
    """An image with the noise of a photo, whose upper left quarter is red."""
    image = Image.effect_noise((width // 8, height // 8), 60).resize((width, height), Image.Resampling.BICUBIC)
    image = Image.blend(image, Image.effect_noise((width, height), 90), 0.3).convert("RGB")
    image.paste((200, 20, 20), (0, 0, width // 2, height // 2))
    return image


def sent(page, count: int = 1) -> bytes:
    """The bytes of the last of so many images that the kernel was sent."""
    page.wait_for_function(f"sent.length == {count}", timeout=30_000)
    return bytes(page.evaluate("[...new Uint8Array(sent.at(-1).buffers[0])]"))


def choose(page, file: dict) -> None:
    page.locator("input[type=file]").set_input_files(file)


def test_a_photo_of_six_megabytes_is_shrunk(page):
    file = file_of(photo(), quality=94)
    assert len(file["buffer"]) > 6_000_000
    choose(page, file)
    content = sent(page)
    image = Image.open(io.BytesIO(content))
    assert image.size == (1024, 768) and image.format == "JPEG" and len(content) < MOST
    parts = (image.crop(box) for box in ((50, 50, 400, 300), (600, 450, 1000, 700)))
    red, other = (part.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) for part in parts)
    assert red[1] < 100 < other[1], "it is that image: red in its upper left quarter"
    words = re.compile(r"Shrunk to 1024 px and 8 bits, and sent, \d+ kB. It waits for the kernel")
    playwright.expect(page.locator("[role=status]")).to_have_text(words)


def test_a_photo_is_upright_as_its_exif_data_say(page):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    choose(page, file_of(photo(2000, 1200), exif=exif))
    image = Image.open(io.BytesIO(sent(page)))
    assert image.size == (614, 1024) and not image.getexif()
    red, other = (
        image.crop(box).resize((1, 1), Image.Resampling.BOX) for box in ((400, 20, 600, 90), (20, 800, 90, 960))
    )
    assert red.getpixel((0, 0))[0] > 150 and red.getpixel((0, 0))[1] < 60 < other.getpixel((0, 0))[1], (
        "it is on the right"
    )


def test_noise_that_no_quality_makes_small_is_halved(page):
    image = Image.merge("RGB", [Image.effect_noise((1500, 1500), 200) for _ in range(3)])
    choose(page, file_of(image, quality=95))
    content = sent(page)
    assert len(content) < MOST and max(Image.open(io.BytesIO(content)).size) in (512, 1024)


def test_what_is_small_is_sent_as_it_is(page):
    file = file_of(Image.new("I;16", (300, 200), 3000), "PNG")
    choose(page, file)
    assert sent(page) == file["buffer"], "16 bits stay 16 bits"


def test_a_large_label_map_keeps_its_colours(page):
    source = synthetic_facades(1, 256).source[0]
    image = Image.fromarray(source.permute(1, 2, 0).numpy()).resize((3000, 3000), Image.Resampling.NEAREST)
    choose(page, file_of(image, "PNG"))
    small = Image.open(io.BytesIO(sent(page)))
    assert small.format == "PNG" and small.size == (1024, 1024)
    assert {colour for _, colour in small.convert("RGB").getcolors()} <= {colour for _, colour in image.getcolors()}


def test_what_is_transparent_is_white(page):
    image = photo(2000, 1600).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    choose(page, file_of(image, "PNG"))
    assert Image.open(io.BytesIO(sent(page))).convert("RGB").getpixel((10, 10)) == (255, 255, 255)


def test_what_the_browser_cannot_open_goes_to_the_kernel_if_it_is_small_or_gets_a_sentence(page):
    tiff = file_of(Image.new("RGB", (64, 64), (9, 9, 9)), "TIFF")
    choose(page, tiff)
    assert sent(page) == tiff["buffer"], "Pillow may open it"
    choose(page, {"name": "video.mp4", "mimeType": "video/mp4", "buffer": b"no image" * 100_000})
    words = "of a kind that it does not know. Save it as a smaller JPEG or PNG, and choose that."
    playwright.expect(page.locator("[role=status]")).to_contain_text(words)
    choose(page, tiff)
    assert sent(page, 2) == tiff["buffer"], "there is a way on"


GIVE = """([text, kind]) => {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const files = text ? [new File([bytes], "mine.png", { type: "image/png" })] : [];
    const data = new DataTransfer();
    files.forEach((file) => data.items.add(file));
    const init = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { ...init, clipboardData: data })
        : new DragEvent("drop", { ...init, dataTransfer: data });
    document.querySelector(".image-upload").dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(page, kind):
    file = file_of(Image.new("RGB", (64, 64), (200, 60, 20)), "PNG")
    page.evaluate(GIVE, [base64.b64encode(file["buffer"]).decode(), kind])
    assert sent(page) == file["buffer"]
    page.evaluate(GIVE, ["", kind])
    words = "That is no file: choose, drop or paste an image."
    playwright.expect(page.locator("[role=status]")).to_have_text(words)


def test_of_two_files_the_last_counts(page):
    page.evaluate("() => { window.slow = createImageBitmap; }")
    page.evaluate(
        """() => {
            const gate = new Promise((done) => (window.go = done));
            window.createImageBitmap = async (...all) => (await gate, slow(...all));
        }"""
    )
    first, second = (file_of(Image.new("RGB", (64, 64), (level, 0, 0)), "PNG") for level in (10, 200))
    choose(page, first)
    page.evaluate("() => { window.createImageBitmap = slow; }")
    choose(page, second)
    assert sent(page) == second["buffer"]
    page.evaluate("go()")
    page.wait_for_timeout(300)
    assert page.evaluate("sent.length") == 1


def test_what_the_kernel_says_is_text(page):
    page.evaluate("tell('message', '<b>this</b> is no image')")
    playwright.expect(page.locator("[role=status]")).to_have_text("<b>this</b> is no image")
    page.evaluate("tell('message', '')")
    assert not page.locator("[role=status]").is_visible()

"""Chromium for tests, and fingers."""

import base64
import io
from collections.abc import Iterator

import pytest
from PIL import Image
from tools.browser import CHROMIUM, chromium
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def start_chromium() -> Iterator:
    """The body of a fixture: a browser, or a sentence that says what is missing."""
    if CHROMIUM is None:
        pytest.skip("There is no Chromium here: `apt-get install chromium`.")
    pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")
    with chromium() as browser:
        yield browser


def pixels(canvas) -> Tensor:
    """What a canvas holds, int (3, H, W)."""
    url = canvas.evaluate("canvas => canvas.toDataURL()")
    return pil_to_tensor(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")).int()


def touch(page, *ways: list[tuple[float, float]]) -> None:
    """One finger along a list of points of the page, in px; several lists: one after the other."""
    fingers = page.context.new_cdp_session(page)
    for way in ways:
        for i, (x, y) in enumerate(way):
            kind = "touchMove" if i else "touchStart"
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def pinch(page, start: tuple, end: tuple) -> None:
    """Two fingers from two points of the page to two others, in px; the second finger comes after the first."""
    fingers = page.context.new_cdp_session(page)
    for kind, points in (("touchStart", start[:1]), ("touchStart", start), ("touchMove", end), ("touchEnd", ())):
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

"""Chromium for tests, and fingers."""

import base64
import io
import json
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


MOUNT = """async (json) => {
    const bytes = (text) => new DataView(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
    const state = JSON.parse(json, (_, value) => (value?.base64 === undefined ? value : bytes(value.base64)));
    const listeners = [];
    window.sent = [];
    window.state = state;
    window.tell = (name, value) => {
        state[name] = value;
        for (const [event, listen] of [...listeners]) if (event === `change:${name}`) listen();
    };
    window.hear = (content, buffers) => {
        for (const [event, listen] of [...listeners]) if (event === "msg:custom") listen(content, buffers);
    };
    window.listening = () => listeners.length;
    const model = {
        get: (name) => state[name],
        set: (name, value) => (state[name] = value),
        save_changes() {},
        send: (content, _, buffers) => window.sent.push({ content, buffers }),
        on: (event, listen) => listeners.push([event, listen]),
        off: (event, listen) => listeners.splice(listeners.findIndex((each) => each[1] === listen), 1),
    };
    const style = document.head.appendChild(document.createElement("style"));
    style.textContent = state._css;
    const module = await import(URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" })));
    const el = document.body.appendChild(document.createElement("div"));
    window.cleanUp = await module.default.render({ model, el });
}"""


def mount(page, widget) -> None:
    """Show an anywidget as a notebook does, with no kernel.

    The page has ``state`` of its model, ``tell(name, value)`` and ``hear(content, buffers)`` for what the kernel says,
    what was ``sent`` to it, and ``cleanUp()``.
    """
    page.evaluate(MOUNT, json.dumps(widget.get_state(), default=lambda v: {"base64": base64.b64encode(v).decode()}))


BITMAPS = """() => {
    window.bitmaps = { wanted: 0, made: 0, open: 0 };
    const create = window.createImageBitmap;
    window.createImageBitmap = async (...given) => {
        bitmaps.wanted++;
        const bitmap = await create(...given);
        [bitmaps.made, bitmaps.open] = [bitmaps.made + 1, bitmaps.open + 1];
        const close = bitmap.close.bind(bitmap);
        bitmap.close = () => (bitmaps.open--, close());
        return bitmap;
    };
}"""  # the page then counts how many decoded images there are, and how many hold memory

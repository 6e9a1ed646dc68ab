"""Chromium for tests: where it is, how it starts, and fingers."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def start_chromium() -> Iterator:
    """The body of a fixture: a browser, or a sentence that says what is missing."""
    if CHROMIUM is None:
        pytest.skip("There is no Chromium here: `apt-get install chromium`.")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="There is no playwright here: `make test` installs it."
    )
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@contextmanager
def serve(folder: Path, handler: type = _Quiet) -> Iterator[str]:
    """A web server of static files on this machine: its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()

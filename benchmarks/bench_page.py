"""The page's time from a stroke, and from a move of λ, to the picture: `python benchmarks/bench_page.py`.

Headless Chromium, a page of 256 px for each of --widths, its networks untrained, as their weights cost no time. Strokes
are windows drawn by the mouse, and λ is moved by keys. The time runs from the event (the mouse let go, the key pressed)
until the frame with the picture is painted. One thread of WebAssembly computes. With --slow-line: how long a first
visit to the pretrained page takes, where all files share 1.6 Mbit/s, and each answer is 150 ms late. Needs `make
test`'s environment and Chromium, and `npm ci` in site/ (`make site`).
"""

import argparse
import copy
import gzip
import io
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from threading import Lock

import torch
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools.browser import Quiet, chromium, serve
from tools.build_site import build

from pix2pix_colab import LAMBDAS, LambdaPath, PatchDiscriminator, UNetGenerator, load_pretrained
from pix2pix_colab.utils.markdown import markdown_table

WATCH = """() => {
    window.taken = [];
    let began = 0;
    const begin = event => (began = event.timeStamp);
    for (const kind of ["pointerup", "keydown"]) addEventListener(kind, begin, true);
    const output = document.querySelector(".output");
    const painted = new MessageChannel(); // a message that is sent in a frame comes after it
    painted.port1.onmessage = () => taken.push(performance.now() - began);
    const done = () => output.ariaBusy === "false" && requestAnimationFrame(() => painted.port2.postMessage(null));
    new MutationObserver(done).observe(output, { attributeFilter: ["aria-busy"] });
}"""


def untrained_path(width: int) -> LambdaPath:
    """A path whose last three layers differ, as those of ``train_lambda_path`` do."""
    torch.manual_seed(0)
    anchors = [UNetGenerator(width)]
    for _ in LAMBDAS[1:]:
        anchors.append(copy.deepcopy(anchors[0]))
        for parameter in anchors[-1].decoder[-3:].parameters():
            parameter.data += 0.01 * torch.randn_like(parameter)
    return LambdaPath(dict(zip(LAMBDAS, anchors, strict=True)), PatchDiscriminator(width))


def wait(page: Page, count: int) -> None:
    while page.evaluate("taken.length") < count:
        page.wait_for_timeout(10)


def time_strokes(page: Page, count: int) -> list[float]:
    page.get_by_role("button", name="An empty wall").click()
    page.locator(".output[aria-busy=false]").wait_for()
    page.evaluate("taken.splice(0)")
    box = page.locator(".drawing canvas").bounding_box()
    for i in range(count):
        x, y = (box["x"] + box["width"] * (0.05 + 0.1 * (i % 9)), box["y"] + box["height"] * (0.05 + 0.1 * (i // 9)))
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 20, y + 30, steps=4)
        page.mouse.up()
        wait(page, i + 1)
    return page.evaluate("taken.splice(0)")


def time_first_moves(page: Page, count: int) -> list[float]:
    """The first move of λ at once after a new drawing: to the other end, which is computed ahead last."""
    times = []
    for i in range(count):
        page.locator(".example").nth(i % 6).click()
        page.locator(".output[aria-busy=false]").wait_for()
        page.locator(".lambda input").focus()
        page.evaluate("taken.splice(0)")
        page.keyboard.press("Home" if i % 2 else "End")
        wait(page, 1)
        times += page.evaluate("taken.splice(0)")
    return times


def time_later_moves(page: Page, count: int) -> list[float]:
    """Moves of λ when nobody has drawn for a while."""
    page.locator(".lambda input").focus()
    page.wait_for_timeout(20_000)
    page.evaluate("taken.splice(0)")
    for i in range(count):
        page.keyboard.press("ArrowRight" if i // 20 % 2 else "ArrowLeft")
        wait(page, i + 1)
    return page.evaluate("taken.splice(0)")


def time_verdicts(page: Page, count: int) -> list[float]:
    """From the picture to the critic's verdict on it, for moves of λ."""
    page.get_by_label("What the critic sees").check()
    page.locator(".verdicts").wait_for()
    page.locator(".lambda input").focus()
    times = []
    for i in range(count):
        page.evaluate("""() => (window.judged = new Promise(done => {
            const picture = document.querySelector(".output");
            let began = 0;
            new MutationObserver((all, own) => {
                if (picture.ariaBusy === "false") began ||= performance.now();
                if (began && picture.querySelector(".verdicts")) done(performance.now() - began, own.disconnect());
            }).observe(picture, { attributeFilter: ["aria-busy"], childList: true });
        }), null)""")
        page.keyboard.press("ArrowRight" if i // 20 % 2 else "ArrowLeft")
        times.append(page.evaluate("judged"))
    return times


class Line:
    """A line whose bytes a second all connections share."""

    def __init__(self, rate: float = 200_000):
        self.rate, self.free, self.sent, self.lock = rate, 0.0, 0, Lock()

    def send(self, count: int) -> None:
        with self.lock:
            self.free = max(self.free, time.monotonic()) + count / self.rate
            self.sent += count
            wait = self.free - time.monotonic()
        time.sleep(max(0, wait))


def handler(line: Line, latency: float = 0.15) -> type[Quiet]:
    """A server at the end of a line, which packs text, as GitHub Pages does."""

    class Slow(Quiet):
        def do_GET(self) -> None:
            time.sleep(latency)
            super().do_GET()

        def send_head(self) -> io.BufferedIOBase | None:
            file = Path(self.translate_path(self.path))
            file = file / "index.html" if file.is_dir() else file
            if file.suffix not in {".html", ".css", ".js", ".mjs", ".json", ".svg"} or not file.is_file():
                return super().send_head()
            packed = gzip.compress(file.read_bytes())
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(str(file)))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(packed)))
            self.end_headers()
            return io.BytesIO(packed)

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "max-age=600")
            super().end_headers()

        def copyfile(self, source: io.BufferedIOBase, outputfile: io.BufferedIOBase) -> None:
            while piece := source.read(4096):
                line.send(len(piece))
                outputfile.write(piece)

    return Slow


def time_first_visit(browser: Browser, folder: Path) -> list[dict[str, str]]:
    """When a first visit on a slow line sees a picture, one of its own drawing, and works without a network."""
    line, rows = Line(), []
    with serve(folder, handler(line)) as address:
        page = browser.new_context(viewport={"width": 1200, "height": 1000}).new_page()
        page.set_default_timeout(600_000)
        began = time.monotonic()

        def note(what: str) -> None:
            rows.append({"": what, "s": f"{time.monotonic() - began:.1f}", "MB": f"{line.sent / 1e6:.1f}"})

        page.goto(address, wait_until="commit")
        shown = page.locator(".output[aria-busy=false]:not(.stale)")
        shown.wait_for()
        note("the first picture")
        box = page.locator(".drawing canvas").bounding_box()
        page.mouse.move(box["x"] + 30, box["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + 70, box["y"] + 90, steps=4)
        page.mouse.up()
        shown.wait_for()
        note("the picture of one's own drawing")
        page.locator(".say label").wait_for(state="hidden")
        note("the whole network")
        page.locator("#offline:not(:empty)").wait_for()
        note("it works without a network")
        page.context.close()
    return rows


def summary(times: list[float]) -> str:
    return f"{statistics.median(times):.0f} ({sorted(times)[math.ceil(0.95 * len(times)) - 1]:.0f})"


def measure(page: Page, folder: Path, width: int, count: int) -> dict[str, str]:
    """Build a page, serve it, and drive it."""
    build(untrained_path(width), "", folder)
    with serve(folder) as address:
        page.goto(address)
        page.locator("#offline:not(:empty)").wait_for()
        page.evaluate(WATCH)
        strokes = time_strokes(page, count)
        first, later = time_first_moves(page, count), time_later_moves(page, 2 * count)
        verdicts = time_verdicts(page, count)
    size = sum(file.stat().st_size for file in (folder / "model").iterdir())
    return {
        "width": str(width),
        "stroke, ms": summary(strokes),
        "first move of λ, ms": summary(first),
        "later moves, ms": summary(later),
        "critic after it, ms": summary(verdicts),
        "network, MB": f"{size / 1e6:.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--strokes", type=int, default=30)
    parser.add_argument("--slow-line", action="store_true", help="a first visit by a slow line")
    options = parser.parse_args()
    rows = []
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        if options.slow_line:
            build(load_pretrained(), "", Path(folder) / "page")
            return print(markdown_table(time_first_visit(browser, Path(folder) / "page")))
        for width in options.widths:
            page = browser.new_context(viewport={"width": 1200, "height": 1000}).new_page()
            rows.append(measure(page, Path(folder) / str(width), width, options.strokes))
    print(markdown_table(rows))
    print("\nMedian, and in brackets what 95 % stay within.")


if __name__ == "__main__":
    main()

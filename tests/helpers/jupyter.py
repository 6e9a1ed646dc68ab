"""Jupyter for tests: a server with a notebook, and that notebook in a browser."""

import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest

TESTS = Path(__file__).parents[1]
NAME = "cells.ipynb"
QUIET = ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]


@dataclass
class Notebook:
    """What a user sees and does: given selectors of the cells' editors and prompts, of the active cell, of prints."""

    page: object
    editor: str
    prompt: str
    active: str
    printed: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def run(self, cell: int) -> None:
        self.page.locator(self.editor).nth(cell).click()
        self.page.keyboard.press("Control+Enter")

    def start(self, shown: str) -> None:
        """Run the first cell until it has run and shows that. A request before the kernel is connected may be lost."""
        from playwright.sync_api import TimeoutError

        for patience in (15_000, 45_000, 90_000, 90_000):  # on a loaded machine a kernel imports torch for a minute
            with suppress(TimeoutError):
                self.run(0)  # again: keys go nowhere until the kernel is connected, or a prompt stays [*] for good
                self.page.locator(shown).wait_for(timeout=patience)
                break
        prompt = self.page.locator(self.prompt).first
        end = time.monotonic() + 90
        while not re.search(r"\d", prompt.inner_text()) and time.monotonic() < end:
            self.page.wait_for_timeout(500)  # for a second run that had to wait for the first
        self.page.locator(shown).wait_for(timeout=60_000)

    def active_prompt(self) -> str:
        return self.page.locator(f"{self.active} {self.prompt}").inner_text()

    def python_says(self, cell: int, words: str) -> None:
        """Run a cell until the last print of the notebook is that."""
        from playwright.sync_api import expect

        for patience in (3000, 10_000, 30_000):
            self.run(cell)  # again, as the cell may be run before the view's last message has come
            with suppress(AssertionError):
                return expect(self.page.locator(self.printed).last).to_have_text(words, timeout=patience)
        pytest.fail(f"Python says {self.page.locator(self.printed).last.inner_text()!r} in place of {words!r}.")


@contextmanager
def jupyterlab(browser, folder: Path, cells: Sequence[str]) -> Iterator[Notebook]:
    """A notebook of these cells in JupyterLab, with today's versions: ipywidgets 8."""
    pytest.importorskip("jupyterlab", reason="There is no JupyterLab here: `make test` installs it.")
    settings = folder / "JUPYTER_CONFIG_DIR/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')  # else a box lies on the cells
    with served([sys.executable, "-m", "jupyterlab", *QUIET], folder, cells) as address:
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(address.format(path=f"doc/tree/{NAME}"))
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=90_000)
        printed = ".jp-OutputArea-output[data-mime-type*=stdout] pre"
        yield Notebook(page, ".jp-Notebook .cm-content", ".jp-InputPrompt", ".jp-Notebook .jp-mod-active", printed)
        page.close()


@contextmanager
def notebook_of_colab(browser, programs: Path, folder: Path, cells: Sequence[str]) -> Iterator[Notebook]:
    """The same with ipywidgets 7.7.1 and the anywidget that Colab ships, in the Notebook that it ships."""
    with served([programs / "python", "-m", "notebook"], folder, cells) as address:
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(address.format(path=f"notebooks/{NAME}"))
        page.locator("#kernel_indicator_icon.kernel_idle_icon").wait_for(state="attached", timeout=90_000)
        yield Notebook(page, ".cell .CodeMirror", ".input_prompt", ".cell.selected", ".output_stdout pre")
        page.close()


@contextmanager
def served(command: list, folder: Path, cells: Sequence[str]) -> Iterator[str]:
    """A Jupyter server with a notebook of these cells: its address, to be completed by a path, with a token."""
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), folder / NAME)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port, token = probe.getsockname()[1], secrets.token_hex(8)
    paths = {"PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}
    own = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    command = [*command, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    with (folder / "server.log").open("w") as log:
        settings = os.environ | paths | own | {"JUPYTER_TOKEN": token}
        server = subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}").close()
                    break
                except OSError:
                    alive = server.poll() is None and time.monotonic() < end
                    assert alive, f"Jupyter didn't start:\n{(folder / 'server.log').read_text()[-3000:]}"
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/{{path}}?token={token}"
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()

"""A saved notebook: its widgets without kernel, widget manager and network, as HTML and in JupyterLab."""

import base64
import subprocess
from pathlib import Path

import nbformat
import pytest
from helpers.flat_slider import output_colour, webp
from helpers.jupyter import jupyterlab
from helpers.tiny_boards import SIZE, ask, make_board
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from pix2pix_colab.widgets import LambdaSlider, saved_form

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="There is no playwright here: `make test` installs it.")
TESTS = Path(__file__).parents[1]
CELLS = (
    "from helpers.flat_slider import compare, make_slider, webp\nslider = make_slider()\nslider",
    "from helpers.tiny_boards import make_board\nmake_board()",
    "from pix2pix_colab.widgets import ImageUpload\nupload = ImageUpload(compare)\nupload",
    "upload.show(webp((200, 60, 20)))",
)


def executed(folder: Path, stored: bool) -> str:
    """The HTML of a notebook of these cells, executed and saved; with or without the state of its widgets."""
    cells = [f"import sys\nsys.path.append({str(TESTS)!r})", *CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=120, store_widget_state=stored, resources={"metadata": {"path": folder}})
    client.execute(stderr=subprocess.DEVNULL)
    return HTMLExporter().from_notebook_node(notebook)[0]


NESTED = """
from IPython.display import HTML, display
from ipywidgets import Output
out = Output()
out.append_display_data(slider)
handle = display(HTML("soon"), display_id=True)
handle.update(slider)
own = display(slider, display_id="own")
own.update(HTML("replaced"))
print(sorted(get_ipython().display_formatter.format(slider)[0]), [sorted(each["data"]) for each in out.outputs])
"""


def test_a_slider_is_displayed_as_other_widgets_are(tmp_path):
    """In an Output, and by a display id, which can be updated with and by something else."""
    view = "application/vnd.jupyter.widget-view+json"
    cells = [f"import sys\nsys.path.append({str(TESTS)!r})", CELLS[0], NESTED]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute(stderr=subprocess.DEVNULL)
    *outputs, printed = notebook.cells[2].outputs
    bundle = ["text/plain", view]
    assert printed.text.strip() == f"{sorted(bundle)} [{sorted(bundle)}]".replace('"', "'")
    shown = [sorted(output.data) for output in outputs if "lambda-saved" not in output.data.get("text/html", "")]
    assert sorted(bundle) in shown and not any("soon" in output.data.get("text/html", "") for output in outputs)
    assert any(output.data.get("text/html") == "replaced" for output in outputs)
    first = notebook.cells[1].outputs
    assert "lambda-saved" in first[0].data["text/html"] and view in first[1].data


def pixel(canvas) -> list[int]:
    read = "canvas => [...canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data]"
    return canvas.evaluate(read)[:3]


def shows_the_slider(page, number: int = 0) -> None:
    """The frame's slider is seen, and λ moves its picture."""
    page.locator("iframe").nth(number).scroll_into_view_if_needed()
    root = page.frame_locator("iframe").nth(number).locator(".lambda-slider")
    playwright.expect(root).to_have_attribute("aria-busy", "false", timeout=30_000)
    for key, i in (("Home", 0), ("End", 5)):
        root.locator(".lambda input").press(key)
        assert pixel(root.locator("figure.main canvas")) == pytest.approx(output_colour(i, 0), abs=4)
    assert root.bounding_box()["height"] < page.locator("iframe").nth(number).bounding_box()["height"]


@pytest.mark.parametrize("stored", [True, False], ids=["with widget state", "without"])
def test_an_executed_notebooks_html(browser, tmp_path, stored):
    (tmp_path / "saved.html").write_text(executed(tmp_path, stored), encoding="utf-8")
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.goto((tmp_path / "saved.html").as_uri())
    shows_the_slider(page)
    playwright.expect(page.get_by_text("The drawing board needs a kernel: run this notebook to draw.")).to_be_visible()
    images = page.locator(".lambda-saved img")
    assert images.count() == 2 and all(images.evaluate_all("all => all.map(each => each.naturalWidth > 0)"))
    page.locator("iframe").nth(1).scroll_into_view_if_needed()
    uploaded = page.frame_locator("iframe").nth(1).locator(".lambda-slider")
    playwright.expect(uploaded).to_have_attribute("aria-busy", "false", timeout=30_000)
    assert pixel(uploaded.locator("figure canvas").first) == pytest.approx((200, 60, 20), abs=4)
    context.close()


def test_the_page_of_make_run_holds_every_image_once(tmp_path):
    makefile = (TESTS.parent / "Makefile").read_text()
    assert "--ExecutePreprocessor.store_widget_state=False" in makefile
    page = executed(tmp_path, stored=False)
    image = base64.b64encode(webp(output_colour(2, 1))).decode()
    assert page.count(image) == 1


def test_what_is_saved_is_words_and_no_html(tmp_path):
    evil = '"></iframe><script>alert(1)</script>'
    slider = LambdaSlider({0: [b"a"], 1: [b"a"]}, [b"a"], names=[evil], caption=evil)
    saved = slider.saved_html()
    assert "<script" not in saved and saved.count("</iframe>") == 1 and 'sandbox="allow-scripts"' in saved


def test_a_board_saves_its_last_picture(monkeypatch):
    board, shown = make_board(), []
    monkeypatch.setattr(saved_form, "display", lambda html, display_id: None)
    monkeypatch.setattr(saved_form, "update_display", lambda html, display_id: shown.append(html.data))
    ask(board, 0, bytes(SIZE**2))
    assert not shown, "it is not displayed"
    board = make_board()
    for _ in range(3):  # the cell is run again
        board._display_html()
    first = board.saved_html()
    assert "at λ = 100:" in first and first.count("<img") == 2
    answer = ask(board, 0, bytes(SIZE**2))
    picture = base64.b64encode(answer["image"]).decode()
    assert picture in shown[-1] and "at λ = 0:" in shown[-1] and picture not in first
    ask(board, 9, bytes(SIZE**2))  # refused
    assert len(shown) == 1


def test_in_jupyterlab_keys_reach_the_notebook_and_tomorrow_the_slider_is_there(browser, tmp_path):
    with jupyterlab(browser, tmp_path, CELLS[:2]) as notebook:
        page, file = notebook.page, tmp_path / "cells.ipynb"
        notebook.start(".lambda-slider")
        notebook.run(1)
        page.locator(".drawing-board figure.output[aria-busy=false]").wait_for(timeout=60_000)
        assert not page.locator(".lambda-saved").first.is_visible(), "where there is a view, it is hidden"
        hidden = page.frame_locator(".lambda-saved iframe").locator("#slider > *")
        assert hidden.count() == 0, "and decodes nothing"
        cells = page.locator(".jp-Notebook .jp-Cell")
        # JupyterLab's: insert a cell below, above. R, B and M are the tools of the board.
        for part, key in ((".lambda-slider .lambda input", "b"), (".drawing-board figure.drawing canvas", "a")):
            before = cells.count()
            page.locator(part).focus()
            page.keyboard.press(key)
            playwright.expect(cells).to_have_count(before + 1)
        prompt = page.locator(notebook.prompt).first
        before = prompt.inner_text()
        page.locator(".lambda-slider .lambda input").click()
        page.keyboard.press("Shift+Enter")  # JupyterLab's: run the cell
        playwright.expect(prompt).not_to_have_text(before)
        playwright.expect(page.locator(".lambda-slider")).to_have_attribute("aria-busy", "false", timeout=30_000)
        page.locator(".lambda-slider .lambda input").focus()
        page.keyboard.press("Home")  # the slider's
        playwright.expect(page.locator(".lambda-slider .heading b")).to_have_text("λ = 0")
        page.locator(".drawing-board figure.drawing canvas").focus()
        page.keyboard.press("Control+s")
        while file.read_text().count("lambda-saved") < 2:
            page.wait_for_timeout(200)
        saved = file.read_text()
        image = base64.b64encode(webp(output_colour(2, 1))).decode()
        assert saved.count(image) == 1, "JupyterLab saves no widget state"
        close_kernels(page)
        page.goto(page.url.partition("?")[0] + "?reset")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=90_000)
        shows_the_slider(page)
        page.get_by_text("The drawing board needs a kernel").wait_for()
        assert not page.get_by_text("Error displaying widget").first.is_visible()
        file.write_text(file.read_text().replace("slider = ", "slider  = "))  # by somebody else: it is not trusted now
        page.goto(page.url)
        page.get_by_text("The λ slider: trust this notebook or run it, and it is shown here.").wait_for(timeout=90_000)


def close_kernels(page) -> None:
    """Shut all kernels down, as it is on another day."""
    page.evaluate(
        """async () => {
            const token = JSON.parse(document.getElementById("jupyter-config-data").textContent).token;
            const headers = { Authorization: `token ${token}` };
            const sessions = await (await fetch("/api/sessions", { headers })).json();
            await Promise.all(sessions.map(({ id }) => fetch(`/api/sessions/${id}`, { method: "DELETE", headers })));
        }"""
    )

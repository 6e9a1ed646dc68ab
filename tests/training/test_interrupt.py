"""Training cell of notebook 3 in a real kernel: the stop button, the same cell again, and its output."""

import os
import signal
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tools.tidy_notebooks import ROOT

from pix2pix_colab.training.run_folder import LOCK
from pix2pix_colab.training.runs import load_newest

pytestmark = pytest.mark.slow

SMALLER = "config = workspace.config(train_pairs, lambda_l1=LAMBDA, width=4, epochs=3)  # 192 steps"
COUNT = """
taken, advance = [], Training.advance
Training.advance = lambda training: (taken.append(1), advance(training))[1]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that executes code in one kernel, and gives its cell with the outputs."""
    monkeypatch.setenv("PIX2PIX_PRESET", "quick")
    monkeypatch.setenv("PIX2PIX_ROOT", str(tmp_path))
    notebook = nbformat.v4.new_notebook()
    client = NotebookClient(notebook, timeout=600, coalesce_streams=True, resources={"metadata": {"path": tmp_path}})

    def execute(source: str):
        notebook.cells.append(nbformat.v4.new_code_cell(source))
        return client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)

    with client.setup_kernel():
        yield execute


def cell(start: str) -> str:
    cells = nbformat.read(ROOT / "notebooks" / "03_train.ipynb", as_version=4).cells
    return next(each.source for each in cells if each.cell_type == "code" and each.source.startswith(start))


def shown(cell) -> list[str]:
    """Kinds of output of a cell, in order."""
    kinds = ("application/vnd.jupyter.widget-view+json", "image/png")
    return [
        next((kind for kind in kinds if kind in output.get("data", {})), output.output_type) for output in cell.outputs
    ]


def press_stop(kernel: int, folder: Path) -> None:
    """Send the signal of the stop button, two seconds after the training has begun."""
    while not (folder / LOCK).exists():
        time.sleep(0.1)
    time.sleep(2)
    os.kill(kernel, signal.SIGINT)


def test_the_training_cell_can_be_stopped_and_run_again(run, tmp_path: Path) -> None:
    for start in ("# @title Set up", "from tempfile", "# @title Choose", "train_pairs, test_pairs"):
        run(cell(start))
    run(SMALLER + COUNT)
    kernel = int(run("import os; print(os.getpid())").outputs[0].text)
    training, folder = cell("view = TrainingView"), tmp_path / "runs" / "quick" / "lambda_100"
    threading.Thread(target=press_stop, args=(kernel, folder), daemon=True).start()
    with pytest.raises(
        CellExecutionError, match=r"Interrupted at step \d+ of 192, which is saved: .*run the cell again"
    ):
        run(training)
    done = load_newest(folder).state["steps_done"]
    assert 0 < done < 192

    before = int(run("print(len(taken))").outputs[0].text)
    again = run(training)
    assert before == done and int(run("print(len(taken))").outputs[0].text) == 192, "no step is taken twice"
    assert load_newest(folder).state["steps_done"] == 192
    bar, picture = "application/vnd.jupyter.widget-view+json", "image/png"
    assert shown(again) == [bar, picture], "one bar and one picture, however often it was redrawn"
    assert shown(run(training)) == [bar, picture]
    assert int(run("print(len(taken))").outputs[0].text) == 192, "a finished training is not trained again"

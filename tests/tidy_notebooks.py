"""The state that the committed notebooks are kept in: `python tests/tidy_notebooks.py` brings them there.

One set-up cell and one badge for all, from the repository's address in pyproject.toml; the same metadata; and no
output but that of the cells marked NBVAL_CHECK_OUTPUT, which nbval compares. `--run` executes the notebooks first, to
refresh those.
"""

import argparse
import tomllib
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KEEP = "# NBVAL_CHECK_OUTPUT"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]

SETUP = f"""\
# @title Set up
import importlib.util
import os

if importlib.util.find_spec("pix2pix_colab") is None:  # on Colab, once a session
    repository = os.environ.get("PIX2PIX_REPOSITORY", "git+{REPOSITORY}")
    %pip install --quiet "$repository"
%matplotlib inline"""

METADATA = {
    "accelerator": "GPU",
    "colab": {"gpuType": "T4", "provenance": [], "toc_visible": True},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def badge(path: Path) -> str:
    """The first line of a notebook: a button that opens it in Colab."""
    github = REPOSITORY.replace("https://github.com", "https://colab.research.google.com/github")
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({image})]({github}/blob/main/notebooks/{path.name})"


def tidy(notebook: NotebookNode, path: Path) -> str:
    """The notebook's file as it is to be committed. Its cells are changed in place."""
    title, setup, *_ = cells = notebook.cells
    title.source = "\n".join([badge(path), *title.source.splitlines()[1:]])
    setup.source = SETUP
    for number, cell in enumerate(cells):
        cell.id, cell.metadata = f"cell-{number:02}", {}
        if cell.cell_type == "code":
            kept = cell.source.startswith(KEEP)
            cell.outputs = [output for output in cell.outputs if kept and output.output_type == "stream"]
            cell.execution_count = number if kept else None
    notebook.metadata, notebook.nbformat, notebook.nbformat_minor = METADATA, 4, 5
    return nbformat.writes(notebook) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", action="store_true", help="execute the notebooks first")
    options = parser.parse_args()
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        if options.run:
            ExecutePreprocessor(timeout=None, coalesce_streams=True).preprocess(
                notebook, {"metadata": {"path": path.parent}}
            )
        path.write_text(tidy(notebook, path), encoding="utf-8")


if __name__ == "__main__":
    main()

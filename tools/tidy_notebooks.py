"""Bring the notebooks into their committed state: `python tools/tidy_notebooks.py`.

All have the same set-up cell and metadata, the answers of the exercises are folded, and there are no outputs except
those of cells marked NBVAL_CHECK_OUTPUT, which nbval compares. `--run` executes the notebooks first, to refresh these
outputs. The addresses of the repository and of the page, in the set-up cell, the badges, READMEs and docs, come from
pyproject.toml.
"""

import argparse
import re
import tomllib
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
READMES = sorted(ROOT.glob("README*.md"))
DOCS = sorted((ROOT / "docs").glob("*.md"))
KEEP = "# NBVAL_CHECK_OUTPUT"
ANSWER = "# @title Answer "  # of an exercise: code and output are folded, in Colab and in JupyterLab
FOLDED = {"cellView": "form", "collapsed": True, "jupyter": {"outputs_hidden": True, "source_hidden": True}}
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
REPOSITORY, PAGE = URLS["Repository"], URLS["Page"]

SETUP = f"""\
# @title Set up {{display-mode: "form"}}
REF = "main"  # @param {{type: "string"}}
DRIVE = False  # @param {{type: "boolean"}}
import os
import sys
from importlib.util import find_spec
from subprocess import run

if find_spec("pix2pix_colab") is None:  # on Colab, once a session
    repository = os.environ.get("PIX2PIX_REPOSITORY", "{REPOSITORY}")
    copies = [folder for folder in (".", "..") if os.path.isdir(f"{{folder}}/src/pix2pix_colab")]
    package = [*copies, f"git+{{repository}}@{{REF}}"][0]
    pip = run([sys.executable, "-m", "pip", "install", "--quiet", package], capture_output=True, text=True)
    if pip.returncode:
        advice = "check the network, and that REF is a branch or tag there; then run this cell again."
        raise OSError(f"{{package}} can't be installed: {{advice}}\\n{{pip.stderr[-500:]}}")
%matplotlib inline
from pix2pix_colab.notebook import set_up

set_up(REF, DRIVE)"""

METADATA = {
    "accelerator": "GPU",
    "colab": {"gpuType": "T4", "provenance": [], "toc_visible": True},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
ON_COLAB = REPOSITORY.replace("https://github.com", "https://colab.research.google.com/github")


def badge(path: Path) -> str:
    """First line of a notebook: the button that opens it in Colab."""
    return f"[![Open in Colab]({BADGE})]({ON_COLAB}/blob/main/notebooks/{path.name})"


def readdress(text: str) -> str:
    """A README or page of the docs with the addresses of the repository and of the page with the drawing board."""
    text = re.sub(r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+(?=/blob/)", ON_COLAB, text)
    text = re.sub(r"https://[\w.-]+\.github\.io/[\w.-]+/", PAGE, text)
    return re.sub(r"(git clone (?:--quiet )?|git\+)https://[^\s@\"]+", rf"\g<1>{REPOSITORY}", text)


def tidy(notebook: NotebookNode, path: Path) -> str:
    """Text of the notebook in its committed state. Its cells are changed in place."""
    title, setup, *_ = cells = notebook.cells
    title.source = "\n".join([badge(path), *title.source.splitlines()[1:]])
    setup.source = SETUP
    for number, cell in enumerate(cells):
        cell.id, cell.metadata = f"cell-{number:02}", dict(FOLDED) if cell.source.startswith(ANSWER) else {}
        if cell.cell_type == "code":
            kept = cell.source.startswith(KEEP)
            cell.outputs = [output for output in cell.outputs if kept and output.output_type == "stream"]
            cell.execution_count = number if kept else None
    notebook.metadata = METADATA | {"colab": METADATA["colab"] | {"name": path.name}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
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
    for path in [*READMES, *DOCS]:
        path.write_text(readdress(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

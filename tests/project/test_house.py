"""The house: which wing may import which, who may import from inside a wing, and what an import costs."""

import ast
import os
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import nbformat
import pytest
from tools.tidy_notebooks import NOTEBOOKS, ROOT

PACKAGE = ROOT / "src" / "pix2pix_colab"
BELOW = {  # each wing, and what it may import; "" is the model at the door
    "utils": set(),
    "": {"utils"},
    "data": {"utils"},
    "training": {"utils", "", "data"},
    "evaluation": {"utils", "", "data", "training"},
    "figures": {"utils", "", "data", "training", "evaluation"},
    "widgets": {"utils", "", "data", "training", "evaluation"},
    "notebook": {"utils", "", "data", "training"},
    "export": {"utils", "", "training"},
}
FILES = sorted(PACKAGE.rglob("*.py"))
DOOR = ("__main__.py", "drawing.py", "slider.py")  # above all wings: the command line, and where old notebooks look


def wing_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts and parts[0] in BELOW else ""


def imports(text: str, package: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The modules of this package that a text imports, as parts below it: ("data", "pairs")."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [tuple(name.name.split("."))[1:] for name in node.names if name.name.startswith("pix2pix_colab")]
        elif isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split(".")) if node.module else ()
            if node.level:
                module = package[: len(package) - node.level + 1] + module
            elif module[:1] == ("pix2pix_colab",):
                module = module[1:]
            else:
                continue
            found += [
                (*module, name.name) if (PACKAGE.joinpath(*module, name.name + ".py")).exists() else module
                for name in node.names
            ]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_run_one_way_and_through_the_door_of_a_wing(file: Path) -> None:
    parts = file.relative_to(PACKAGE).parts
    own = wing_of(parts[:-1])
    for module in imports(file.read_text(), parts[:-1]):
        other = wing_of(module)
        if other == own or (len(parts) == 1 and parts[0] in DOOR):
            continue
        assert other in BELOW[own], f"{own or 'the model'} must not import {other}"
        assert other in ("", "utils") or len(module) == 1, f"from .{other} import …, not from a file inside it"


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Not even for type checkers, or inside a function."""
    sorter = TopologicalSorter()
    for file in FILES:
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        found = imports(file.read_text(), parts[:-1])
        sorter.add(parts, *(module for module in found if PACKAGE.joinpath(*module).with_suffix(".py").exists()))
    sorter.prepare()  # CycleError names the circle


def test_the_wings_are_those_of_the_house() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == BELOW.keys() - {""}
    files = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py"}
    model = {"generator.py", "discriminator.py", "loss.py", "inference.py", "lambda_path.py"}
    assert files == {"__init__.py", *DOOR, *model}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_imports_from_wings_alone(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    code = [re.sub(r"^[%!].*|(?<== )%.*", "0", cell.source, flags=re.M) for cell in cells if cell.cell_type == "code"]
    found = [module for source in code for module in imports(source)]
    assert found and all(len(module) <= 1 for module in found), found


def test_tests_of_other_wings_use_its_door() -> None:
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        own = wing_of(file.relative_to(ROOT / "tests").parts[:-1])
        for module in imports(file.read_text()):
            ours = wing_of(module) in (own, "", "utils")
            assert ours or len(module) == 1 or patches(file, module), f"{file.name} imports {'.'.join(module)}"


def patches(file: Path, module: tuple[str, ...]) -> bool:
    """Whether the test needs the file itself, to replace a name in it: from pix2pix_colab.wing import file."""
    return f"from pix2pix_colab.{'.'.join(module[:-1])} import" in file.read_text()


NOTEBOOK = ("torchmetrics", "matplotlib", "requests", "gdown", "ipywidgets", "anywidget", "IPython")
ONNX = ("onnx", "onnxruntime", "onnxscript")
HEAVY = (*NOTEBOOK, *ONNX, "urllib3")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_package_imports_nothing_heavy_but_torch() -> None:
    said = python("import sys, pix2pix_colab; print(*sys.modules)").split()
    assert "torch" in said and not set(HEAVY) & set(said)


def test_training_imports_nothing_of_notebooks() -> None:
    """A GPU machine may have neither Jupyter nor gdown."""
    said = python("import sys, pix2pix_colab.training, pix2pix_colab.__main__; print(*sys.modules)").split()
    assert not {*NOTEBOOK, *ONNX} & set(said)


def test_a_source_checkout_that_is_not_installed_imports_and_sets_up(tmp_path: Path) -> None:
    """``-S`` hides the installed packages, and a folder of links brings back all but this one."""
    site, links = next(path for path in sys.path if (Path(path) / "torch").is_dir()), tmp_path / "site"
    links.mkdir()
    for package in Path(site).iterdir():
        if "pix2pix" not in package.name:
            (links / package.name).symlink_to(package)
    shutil.copytree(PACKAGE, tmp_path / "src" / PACKAGE.name)  # without the egg-info that an installation leaves beside
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "src"), str(links)])}
    code = "import pix2pix_colab; from pix2pix_colab.notebook import set_up; set_up()"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=variables, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "pix2pix-colab from a source checkout" in done.stdout

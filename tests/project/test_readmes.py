"""The READMEs say the same in both languages, are short, and their code runs; README and docs name what exists."""

import os
import re
import subprocess
import sys
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest
from tools.tidy_notebooks import DOCS, PAGE, READMES, ROOT

ENGLISH, SERBIAN = ((ROOT / name).read_text() for name in ("README.md", "README.sr.md"))


class Section(NamedTuple):
    """What a section holds, in any language."""

    level: int
    code: list[str]
    tables: list[tuple[int, int]]  # rows and columns
    names: Counter  # inline code
    numbers: Counter
    links: Counter


def sections(text: str) -> list[Section]:
    text = re.sub(r"^\[(Srpski|English)\]\(README(\.sr)?\.md\)$", "", text, flags=re.MULTILINE)
    found = []
    for part in re.split(r"^(?=#+ )", text, flags=re.MULTILINE)[1:]:
        blocks, prose = re.findall(r"^```.*?^```$", part, re.DOTALL | re.MULTILINE), part
        for block in blocks:
            prose = prose.replace(block, "")
        tables = [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", prose, re.MULTILINE)]
        shapes = [(len(rows), rows[0].count("|")) for rows in tables]
        targets = [target for target in re.findall(r"\]\(([^)]+)\)", prose) if not target.startswith("#")]
        names = Counter(" ".join(name.split()) for name in re.findall(r"`([^`]+)`", prose))
        numbers = Counter(re.findall(r"\d[\d.,×]*(?<![.,])", re.sub(r"\]\([^)]+\)|`[^`]+`", "", prose)))
        level = re.match("#+", part).end()
        found.append(Section(level, blocks, shapes, names, numbers, Counter(targets)))
    return found


@pytest.mark.parametrize("field", Section._fields)
def test_both_hold_the_same(field: str) -> None:
    for number, (english, serbian) in enumerate(zip_longest(sections(ENGLISH), sections(SERBIAN))):
        assert getattr(english, field) == getattr(serbian, field), f"section {number}"


def test_each_leads_to_the_other() -> None:
    assert "[Srpski](README.sr.md)" in ENGLISH and "[English](README.md)" in SERBIAN


def test_the_first_link_of_each_is_the_page() -> None:
    assert [re.search(r"\]\(([^)]+)\)", text)[1] for text in (ENGLISH, SERBIAN)] == [PAGE, PAGE]


@pytest.mark.parametrize("text", [ENGLISH, SERBIAN], ids=["English", "Serbian"])
def test_a_readme_is_short(text: str) -> None:
    assert len(text.split()) <= 1500


@pytest.mark.slow
def test_the_code_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    """In an empty folder, without a network: a quarter of a minute on two cores."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", ENGLISH, re.DOTALL | re.MULTILINE)
    variables = os.environ | {"PYTHONPATH": str(ROOT / "src"), "https_proxy": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, check=True)
    assert (tmp_path / "lambda.html").read_text().count('"UklGR') == (21 + 1) * 6, "WebPs of outputs and sources"


@pytest.mark.parametrize("path", [*READMES, *DOCS], ids=lambda path: path.name)
def test_every_path_and_import_exists(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r"(?<![\w/])(?:tests|benchmarks|tools|docs|assets|notebooks|src)/[\w/.-]*\w", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    exec("\n".join(re.findall(r"^from pix2pix_colab.* import .*$", text, re.MULTILINE)))


def test_the_readme_shows_the_package_as_it_is() -> None:
    shown = set(re.findall(r"^  (\w+(?:\.py|/)) ", ENGLISH, re.MULTILINE))
    there = {path.name + "/" * path.is_dir() for path in (ROOT / "src" / "pix2pix_colab").iterdir()}
    handing_on = {"drawing.py", "slider.py"}
    assert shown == there - {"__init__.py", "__pycache__/", "pretrained.safetensors"} - handing_on

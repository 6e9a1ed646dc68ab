"""The two READMEs say the same: the Serbian one has the structure, code, figures and links of the English one."""

import re
from collections import Counter
from itertools import zip_longest
from typing import NamedTuple

import pytest
from tools.tidy_notebooks import ROOT

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


def test_a_figure_that_is_changed_in_one_is_noticed() -> None:
    changed = ENGLISH.replace("54,413,955", "54,413,956")
    assert sections(changed) != sections(ENGLISH)

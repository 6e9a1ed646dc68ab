"""What the browser gets of each widget is one module that stands for itself."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pix2pix_colab.widgets import assets

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="There is no node here, version 20 or newer: apt-get install nodejs.")
@pytest.mark.parametrize("name", ["widget.js", "upload.js", "drawing/widget.js"])
def test_a_bundle_is_a_sound_module(name: str, tmp_path: Path) -> None:
    """Node refuses what is declared twice in one scope."""
    text = assets.script(name)
    assert not re.search(r"^\s*import\b|\bimport\(", text, re.M) and len(re.findall("^export ", text, re.M)) == 1
    (tmp_path / "bundle.mjs").write_text(text)
    done = subprocess.run([NODE, "--check", tmp_path / "bundle.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_modules_are_there_once_after_what_they_import(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(assets, "_HERE", tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "entry.js").write_text(
        'import { a } from "./lib/a.js";\nimport {\n  b,\n} from "./lib/b.js";\n/** Doc. */\nexport default { a, b };\n'
    )
    (tmp_path / "lib" / "a.js").write_text('import { b } from "./b.js";\nexport const a = `import ${b}`;\n')
    (tmp_path / "lib" / "b.js").write_text("export function b() {}\n")
    expected = "function b() {}\n\nconst a = `import ${b}`;\n\nexport default { a, b };\n"
    assert assets.script("entry.js") == expected

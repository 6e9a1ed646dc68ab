"""The JavaScript linter fails `make test` for what it must not let pass."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OXLINT = shutil.which("oxlint", path=Path(sys.executable).parent) or shutil.which("oxlint")
if OXLINT is None:
    pytest.skip("There is no oxlint here: `make test` installs it.", allow_module_level=True)


def lint(*paths: Path) -> subprocess.CompletedProcess:
    command = [OXLINT, "--deny-warnings", "--config", ROOT / ".oxlintrc.json", *paths]
    return subprocess.run(command, capture_output=True, text=True)


def test_all_javascript_passes():
    done = lint(*filter(Path.exists, (ROOT / "src", ROOT / "site")))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("no-unused-vars", "const forgotten = 1;"),
        ("no-undef", "export const found = lost;"),
        ("max-lines-per-function", "export function long() {\n" + "  console.log();\n" * 39 + "}"),
        ("max-lines", "console.log();\n" * 251),
    ],
)
def test_it_fails_for(rule, code, tmp_path):
    (tmp_path / "widget.js").write_text(code + "\n")
    done = lint(tmp_path)
    assert done.returncode == 1 and f"({rule})" in done.stdout, done.stdout

"""The board's modules that need no browser, tested by node's own test runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
if NODE is None:
    pytest.skip("There is no node here, version 20 or newer: apt-get install nodejs.", allow_module_level=True)


def test_modules() -> None:
    tests = sorted(Path(__file__).parent.glob("*.test.js"))
    done = subprocess.run([NODE, "--test", *tests], capture_output=True, text=True)
    assert tests and done.returncode == 0, done.stdout[-5000:]
    assert "# fail 0" in done.stdout and "# pass 0" not in done.stdout

"""What several test files need."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest_plugins = ["helpers.colab_machine"]  # the fixtures of simulated machines
STAND_IN = Path(__file__).parent / "helpers" / "stand_in"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # inherited, as by a script's background job or trap '' INT
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in children, or tests of Ctrl-C wait for ever


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slow files first, the notebooks before all, so that two workers end at about the same time."""
    items.sort(key=lambda item: ("slow" not in item.keywords, "test_notebooks" not in item.nodeid))


@pytest.fixture(autouse=True)
def no_copies_outlive_their_test() -> Iterator[None]:
    """Which runs are copied where is known to the whole process."""
    yield
    if module := sys.modules.get("pix2pix_colab.training.run_copies"):
        for registry in (module._places, module._ended, module._said):
            registry.clear()


@pytest.fixture
def colab_page(monkeypatch, tmp_path) -> SimpleNamespace:
    """The stand-in for google.colab, and its folders: the user's ``browser`` and Google ``drive``."""
    page = SimpleNamespace(browser=tmp_path / "browser", drive=tmp_path / "google-drive")
    for name, folder in vars(page).items():
        folder.mkdir()
        monkeypatch.setenv(f"STAND_IN_{name.upper()}", str(folder))
    with monkeypatch.context() as patch:
        patch.syspath_prepend(STAND_IN)
        yield page
    for name in [name for name in sys.modules if name.partition(".")[0] == "google"]:
        del sys.modules[name]

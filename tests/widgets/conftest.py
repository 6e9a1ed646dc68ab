"""What several tests of widgets need."""

from collections.abc import Iterator

import pytest
from helpers.browser import start_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator:
    yield from start_chromium()

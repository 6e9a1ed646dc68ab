"""What several tests of trainings need."""

import pytest
from helpers.noise import noise_pairs

from pix2pix_colab.data import Pairs


@pytest.fixture(scope="session")
def pairs() -> Pairs:
    return noise_pairs()

"""A data set larger than memory: 2.45 GB of pairs are read and trained on by a process that may have 1.1 GiB."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pix2pix_colab.data import synthetic_facades, write_pairs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits and tells the memory of a process")

COUNT, DISTINCT = 5000, 25
LIMIT = 2**30 + 2**27  # of which libraries reserve half a GiB, more or less of it from run to run, and never use it

# RLIMIT_DATA counts what a process has for itself alone, as the heap and its arrays, but no shared mapping of a file.
START = """
import json, os, resource, sys, threading, time
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]),) * 2)  # before anything else, torch too, is imported
os.cpu_count = os.process_cpu_count = lambda: 2  # each thread has a stack of its own

from pix2pix_colab.data import pair_files
from pix2pix_colab.training import TrainConfig, Training

peak, folder = 0, sys.argv[1]

def watch():
    global peak
    while True:
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        peak = max(peak, int(status["RssAnon"].split()[0]) // 1024)  # kB -> MiB
        time.sleep(0.01)

threading.Thread(target=watch, daemon=True).start()
"""

TRAIN = """
start = time.perf_counter()
pairs = pair_files.read_pairs(folder)
seconds = time.perf_counter() - start
training = Training(pairs, TrainConfig(width=4))
for _ in range(20):
    training.advance()
training.log()
loss = training.history[0]["l1"]
del training
told = {"pairs": len(pairs), "loss": loss, "std": pairs[:2].source.float().std().item()}
print(json.dumps(told | {"seconds": seconds, "peak": peak}))
"""

IN_MEMORY = """
pair_files.LARGE = 2**60
try:
    pair_files.read_pairs(folder)
except MemoryError:
    print(json.dumps({"peak": peak}))
"""

MEASURE = """
import torch
from pix2pix_colab.evaluation import measure

images = torch.randint(256, (100, 3, 256, 256), dtype=torch.uint8)
rows = len(measure(images, images.flip(3))["ssim"].per_image)
print(json.dumps({"rows": rows, "peak": peak}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """5,000 files of 25 synthetic facades."""
    path = tmp_path_factory.mktemp("large")
    for file in write_pairs(synthetic_facades(DISTINCT), path / "distinct").iterdir():
        _as_jpeg(file)
    (path / "pairs").mkdir()
    distinct = sorted((path / "distinct").glob("*.jpg"))
    for i in range(COUNT):
        os.link(distinct[i % DISTINCT], path / "pairs" / f"{i}.jpg")
    yield path / "pairs"
    shutil.rmtree(path)


def _as_jpeg(file: Path) -> None:
    with Image.open(file) as image:
        image.save(file.with_suffix(".jpg"), quality=90)


def limited(code: str, folder: Path, limit: int = LIMIT) -> dict:
    """What a process of its own prints, which may have so much."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", START + code, str(folder), str(limit)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout, result.stderr[-3000:]
    return json.loads(result.stdout)


@pytest.mark.slow
def test_pairs_larger_than_memory_are_read_and_trained_on(folder):
    told = limited(TRAIN, folder)
    print(f"{COUNT / told['seconds']:.0f} pairs/s at reading, peak {told['peak']} MiB of memory")
    assert told["pairs"] == COUNT and COUNT * 6 * 286**2 > 2 * LIMIT
    assert len(list(folder.parent.rglob("*.*"))) == COUNT + 2 * DISTINCT, "nothing is written"
    assert told["peak"] * 2**20 < LIMIT
    assert 0 < told["loss"] < 2 and told["std"] > 20

    assert limited(IN_MEMORY, folder)["peak"] * 2**20 < LIMIT  # it ends in a MemoryError: so the limit holds


@pytest.mark.slow
def test_any_number_of_images_is_measured(tmp_path):
    told = limited(MEASURE, tmp_path, 2 * LIMIT)  # as floats all at once they take 5 GB
    assert told["rows"] == 100 and told["peak"] * 2**20 < 2 * LIMIT

"""Film a training for the page's *Watch it learn*: `python tools/film_training.py FACADES RUNS`.

FACADES is the folder of the real facades, RUNS that of the run. It trains at λ = 100 from random weights, with the
settings of the pretrained trunk. It can be killed at any time, and resumes. What the network made of two drawn houses
goes into site/film.json, with metrics of real pairs: no photo and no label map of these is in it.
"""

import argparse
import base64
import json
from dataclasses import replace
from pathlib import Path

from train_pretrained import CONFIG

from pix2pix_colab.data import example_label_maps, jitter_size, read_pairs
from pix2pix_colab.figures import TrainingFilm
from pix2pix_colab.training import Progress, ProgressBar, train
from pix2pix_colab.widgets import LambdaSlider, slider_of_training

FILM = Path(__file__).parents[1] / "site/film.json"
EPOCHS = 12
MEASURED, DRAWN = 30, 2  # pairs of each kind, and houses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("facades", type=Path, help="the folder of the real facades")
    parser.add_argument("runs", type=Path, help="the folder of the run")
    options = parser.parse_args()
    config, bar = replace(CONFIG, epochs=EPOCHS), ProgressBar()
    pairs = read_pairs(options.facades, jitter_size(config.image_size), "BtoA", "train")
    others = read_pairs(options.facades, config.image_size, "BtoA", "val")[:MEASURED]
    houses = example_label_maps(config.image_size)[:DRAWN]
    film = TrainingFilm(others, pairs[:MEASURED], options.runs / "film.pt", sources=houses)

    def watch(progress: Progress) -> None:
        film(progress)
        bar(progress)

    train(pairs, config, options.runs / "film", watch, log_every=10)
    write(slider_of_training(film), FILM)
    print(f"{FILM}: {FILM.stat().st_size / 1e6:.2f} MB")


def write(slider: LambdaSlider, file: Path) -> None:
    """Write what the slider shows as JSON, images in base64: the model that slider.js takes."""
    state = {"data": slider.data, "index": slider.index, "image": slider.image}
    file.write_text(json.dumps(state, default=lambda image: base64.b64encode(image).decode()), encoding="utf-8")


if __name__ == "__main__":
    main()

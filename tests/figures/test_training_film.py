"""The film of a training: its frames are what the network made at log-spaced steps, and it changes nothing."""

from pathlib import Path

import pytest
import torch
from helpers.tiny_runs import bits

from pix2pix_colab import translate
from pix2pix_colab.data import Pairs, jitter_size, synthetic_facades
from pix2pix_colab.evaluation import measure
from pix2pix_colab.figures import TrainingFilm
from pix2pix_colab.training import TrainConfig, press_stop, train
from pix2pix_colab.widgets import slider_of_training

CONFIG = TrainConfig(width=2, image_size=128, epochs=10)
PAIRS = synthetic_facades(6, jitter_size(128))
OTHERS = synthetic_facades(1, 128, seed=5)
BEGUN = r"film\.pt is of other settings, pairs or sources: it is begun anew"


def film_of(folder: Path, frames: int = 6, **options) -> TrainingFilm:
    film = TrainingFilm(OTHERS, PAIRS[:1], folder / "film.pt", frames)
    run = train(PAIRS, CONFIG, folder, film, "cpu", log_every=2, **options)
    film.run = run
    return film


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> TrainingFilm:
    return film_of(tmp_path_factory.mktemp("run"))


def test_its_frames_are_log_spaced_from_the_untrained_network_to_the_last_step(film: TrainingFilm) -> None:
    assert film.steps == [0, 10, 16, 24, 38, 60]  # a geometric series, at the steps that are reported


def test_a_frame_is_what_the_network_made_then_and_what_that_measures(film: TrainingFilm) -> None:
    last, generator = film.frames[-1], film.run.load_generator()
    assert torch.equal(last["output"], translate(generator, OTHERS.source))
    assert last["values"]["others"]["l1"] == measure(last["output"], OTHERS.target)["l1"].value
    left = (PAIRS.size - 128) // 2
    source, target = (images[:1, :, left : left + 128, left : left + 128] for images in (PAIRS.source, PAIRS.target))
    trained = measure(translate(generator, source), target)
    assert last["values"]["trained on"]["gradient_distance"] == trained["gradient_distance"].value
    curves = film.curves()
    assert list(curves) == [
        f"{name} ↓ {which}" for name in ("L1", "gradient distance") for which in ("others", "trained on")
    ]
    assert curves["L1 ↓ others"][60] == last["values"]["others"]["l1"]
    assert film.best_step() == min(curves["L1 ↓ others"], key=curves["L1 ↓ others"].get)


def test_a_training_with_a_film_is_the_same_training(film: TrainingFilm, tmp_path: Path) -> None:
    plain = train(PAIRS, CONFIG, tmp_path, device="cpu", log_every=2)
    assert plain.history == film.run.history
    assert bits(plain.load_generator().state_dict()) == bits(film.run.load_generator().state_dict())


def test_a_stopped_training_goes_on_with_its_film(film: TrainingFilm, tmp_path: Path) -> None:
    first = TrainingFilm(OTHERS, PAIRS[:1], tmp_path / "film.pt", 6)

    def watch(progress) -> None:
        first(progress)
        press_stop(30)(progress)

    with pytest.raises(KeyboardInterrupt, match="at step 31"):
        train(PAIRS, CONFIG, tmp_path, watch, "cpu", log_every=2)
    assert first.steps == [0, 10, 16, 24]
    again = film_of(tmp_path)
    assert again.steps == film.steps and again.curves() == film.curves()
    assert film_of(tmp_path).curves() == film.curves(), "also if it is finished already"


def test_a_film_of_other_settings_or_pairs_is_begun_anew(film: TrainingFilm, tmp_path: Path) -> None:
    (tmp_path / "film.pt").write_bytes(film.file.read_bytes())
    other = TrainingFilm(OTHERS, PAIRS[:1], tmp_path / "film.pt", 6)
    with pytest.warns(UserWarning, match=BEGUN):
        train(PAIRS, TrainConfig(width=2, image_size=128, epochs=1), tmp_path / "run", other, "cpu", log_every=2)
    assert other.steps == [0, 6], "the untrained network and the last step"
    named = Pairs(OTHERS.source, OTHERS.target, ["x"])
    (tmp_path / "film.pt").write_bytes(film.file.read_bytes())
    other = TrainingFilm(named, PAIRS[:1], tmp_path / "film.pt", 6)
    with pytest.warns(UserWarning, match=BEGUN):
        train(PAIRS, CONFIG, film.run.folder, other, "cpu")
    assert other.steps == [60]


def test_a_file_that_is_no_film_gets_a_sentence(film: TrainingFilm, tmp_path: Path) -> None:
    (tmp_path / "film.pt").write_bytes(b"damaged")
    other = TrainingFilm(OTHERS, PAIRS[:1], tmp_path / "film.pt", 6)
    with pytest.raises(ValueError, match=r"film\.pt is damaged, or holds no film: delete it"):
        train(PAIRS, CONFIG, film.run.folder, other, "cpu")


def test_drawings_are_shown_in_place_of_the_pairs_that_are_measured(film: TrainingFilm, tmp_path: Path) -> None:
    drawn = synthetic_facades(2, 128, seed=7).source
    other = TrainingFilm(OTHERS, PAIRS[:1], tmp_path / "film.pt", 6, sources=drawn)
    train(PAIRS, CONFIG, film.run.folder, other, "cpu")
    assert torch.equal(other.frames[-1]["output"], translate(film.run.load_generator(), drawn))
    assert other.frames[-1]["values"] == film.frames[-1]["values"]
    slider = slider_of_training(other)
    assert (len(slider.data["sources"]), slider.data["targets"]) == (2, []), "nobody knows their targets"
    assert slider.data["caption"].startswith("of 1 pairs") and slider.data["metrics"]
    again = TrainingFilm(OTHERS, PAIRS[:1], tmp_path / "film.pt", 6, sources=drawn.flip(3))
    with pytest.warns(UserWarning, match=BEGUN):
        train(PAIRS, CONFIG, film.run.folder, again, "cpu")
    assert not torch.equal(again.frames[-1]["output"], other.frames[-1]["output"]), "begun anew"


@pytest.mark.parametrize("sources", [torch.zeros(2, 2, 8, 8, dtype=torch.uint8), torch.zeros(2, 3, 8, 8), [1]])
def test_sources_that_no_network_takes_are_refused_before_a_training(tmp_path: Path, sources: object) -> None:
    with pytest.raises(ValueError, match=r"tensor \(C, H, W\) or \(N, C, H, W\) with 1 or 3 channels"):
        TrainingFilm(OTHERS, PAIRS[:1], tmp_path / "film.pt", sources=sources)


def test_its_slider_has_the_steps_as_its_axis(film: TrainingFilm) -> None:
    slider = slider_of_training(film)
    positions = slider.data["positions"]
    assert [each["label"] for each in positions] == [f"step {step}" for step in film.steps]
    assert slider.value == film.steps[-1] and positions[0]["meaning"] == "untrained"
    assert [step for step, each in zip(film.steps, positions, strict=True) if "lowest L1" in each["meaning"]] == [
        film.best_step()
    ]
    assert slider.data["axis"] == "step"
    assert "<title>pix2pix: drag step</title>" in slider.save_page(film.file.with_name("film.html")).read_text()
    assert slider.saved_html().startswith('<iframe title="The step slider"')
    assert slider.data["metrics"][0]["values"] == list(film.curves()["L1 ↓ others"].values())
    slider.value = 24
    assert slider.index == 3
    with pytest.raises(ValueError, match="no images for step = 70"):
        slider.value = 70
    with pytest.raises(ValueError, match="no frame yet: give it to train"):
        slider_of_training(TrainingFilm(OTHERS, PAIRS, film.file))

"""Film of a training: what its generator made of a few sources, and how far off that was, at log-spaced steps."""

import warnings
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ..data import Pairs
from ..evaluation import METRICS, measure
from ..inference import check_source, translate
from ..training import Progress
from ..utils.files import atomic_write, open_sound

MEASURED = ("l1", "gradient_distance")
FIRST = 10  # steps, from which on frames are spaced; before them is the untrained network


class TrainingFilm:
    """Progress callback that keeps a film of a training, to see when it was best and when it began to memorise.

    A network that memorises comes closer to the pairs that it is trained on, and no closer to others.

    Args:
        pairs: that are shown and measured, of the size of the network's images, none of them from the training set.
        trained: some of the training set, whose middles are measured beside them.
        file: where the film is kept, so that a resumed training adds to it. Another one is begun anew, with a warning.
        frames: their greatest number.
        sources: that are shown in place of those of the pairs, such as drawings, uint8 (N, C, S, S).

    Each of its ``frames`` has its step, its outputs (uint8, N, C, S, S) and its metrics by "trained on" and "others".
    """

    def __init__(self, pairs: Pairs, trained: Pairs, file: str | Path, frames: int = 16, sources: Tensor | None = None):
        if sources is not None:
            check_source(sources)
            sources = sources.cpu()
        self.pairs, self.trained, self.file, self.most, self.sources = pairs, trained, Path(file), frames, sources
        self.shown = [*pairs.names, "" if sources is None else crc32(sources.contiguous().numpy())]  # whose film it is
        self.frames: list[dict] = []

    def __call__(self, progress: Progress) -> None:
        settings = {name: str(value) for name, value in asdict(progress.config).items()}
        if not self.frames and self.file.exists():
            kept = self._load()
            fits = kept["settings"] == settings and kept.get("shown") == self.shown
            self.frames = [each for each in kept["frames"] if each["step"] <= progress.step] if fits else []
            if not fits:
                warnings.warn(f"{self.file} is of other settings, pairs or sources: it is begun anew.", stacklevel=2)
        first = min(FIRST, progress.steps)
        moments = [0, *np.geomspace(first, progress.steps, self.most - 1).round().astype(int).tolist()]
        before = self.frames[-1]["step"] if self.frames else -1
        if not any(before < moment <= progress.step for moment in moments):
            return
        output, others = self._measure(progress, self.pairs)
        if self.sources is not None:
            output = translate(progress.generator, self.sources).cpu()
        values = {"others": others, "trained on": self._measure(progress, self.trained)[1]}
        self.frames.append({"step": progress.step, "output": output, "values": values})
        with atomic_write(self.file) as partial:
            torch.save({"settings": settings, "shown": self.shown, "frames": self.frames}, partial)

    def _load(self) -> dict:
        words = "is damaged, or holds no film: delete it, and the film is begun anew, or name another file"
        with open_sound(self.file, words) as file:
            return torch.load(file, weights_only=True)

    def _measure(self, progress: Progress, pairs: Pairs) -> tuple[Tensor, dict[str, float]]:
        left = (pairs.size - progress.config.image_size) // 2  # of the middle, as a training crops
        middle = slice(left, left + progress.config.image_size)
        source, target = (images[..., middle, middle] for images in (pairs.source, pairs.target))
        output = translate(progress.generator, source).cpu()
        measured = measure(output, target.cpu())
        return output, {key: measured[key].value for key in MEASURED}

    @property
    def steps(self) -> list[int]:
        """The step of each frame."""
        return [frame["step"] for frame in self.frames]

    def curves(self) -> dict[str, dict[int, float]]:
        """The metrics by name, each a value for each step: of the pairs that are shown, and of those trained on."""
        return {
            f"{METRICS[key].name} {METRICS[key].better} {which}": {
                frame["step"]: frame["values"][which][key] for frame in self.frames
            }
            for key in MEASURED
            for which in ("others", "trained on")
        }

    def best_step(self, key: str = "l1") -> int:
        """The step of the frame whose outputs for the pairs that it was not trained on have the lowest metric."""
        return min(self.frames, key=lambda frame: frame["values"]["others"][key])["step"]

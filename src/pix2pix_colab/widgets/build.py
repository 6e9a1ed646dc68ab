"""Sliders of test pairs, of a λ path, or of any image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from ..data import Pairs, example_label_maps
from ..discriminator import PatchDiscriminator
from ..generator import UNetGenerator
from ..inference import check_source, critic_map, translate
from ..lambda_path import LambdaPath
from ..utils.images import MODES, convert, fit_to, resize
from .encoding import encode, encode_verdicts
from .widget import LambdaSlider

if TYPE_CHECKING:  # a slider needs no torchmetrics, which Colab doesn't ship
    from ..evaluation import Report

BICUBIC = Image.Resampling.BICUBIC
NAMED = 5  # steps of a film beside the first
LONGEST = 2048  # px; a larger image is scaled down, or else six λ of it take minutes and gigabytes
LONGEST_ON_PATH = LONGEST // 2  # 21 outputs hold as many pixels then as five


def slider_of_pairs(
    pairs: Pairs,
    outputs: Mapping[float, Tensor],
    report: "Report | None" = None,
    stops: Sequence[float] | None = None,
    discriminator: PatchDiscriminator | None = None,
) -> LambdaSlider:
    """The slider of some test pairs.

    Args:
        pairs: N of them; a page of twelve and 21 λ takes about 5 MB.
        outputs: for each λ those of the first N sources at least, uint8 (≥ N, C, S, S).
        report: the metrics of the outputs, shown beside them; of all λ, or of some.
        stops: the λ that were trained, where the outputs between them are interpolated by a ``LambdaPath``; None: all.
        discriminator: whose verdicts on the outputs and the targets are a view of the slider, of any λ the same one.
    """
    encoded = {k: encode(output[: len(pairs)]) for k, output in outputs.items()}
    named, caption = (report.named, f"of all {report.images} test images") if report else (None, "")
    seen = _judge(discriminator, pairs.source, {k: output[: len(pairs)] for k, output in outputs.items()}, pairs.target)
    images = encoded, encode(pairs.source), encode(pairs.target)
    return LambdaSlider(*images, named, caption, pairs.names, stops=stops, **seen)


def _judge(
    critic: PatchDiscriminator | None, source: Tensor, outputs: Mapping[float, Tensor], target: Tensor | None = None
) -> dict:
    """The verdicts on outputs and targets, as ``LambdaSlider`` takes them; nothing, if nobody judges such images."""
    images = {**outputs} if target is None else {**outputs, "target": target}
    channels = {(source.shape[1], each.shape[1]) for each in images.values()}
    if not critic or channels != {(critic.source_channels, critic.target_channels)}:
        return {}
    verdicts = {k: encode_verdicts(critic_map(critic, source, each)) for k, each in images.items()}
    return {"target_verdicts": verdicts.pop("target", []), "verdicts": verdicts}


def slider_of_path(path: LambdaPath, pairs: Pairs | Tensor | None = None) -> LambdaSlider:
    """The slider of a λ path, which translates some pairs by 21 λ. The path's discriminator, if it has one, judges.

    In place of pairs there may be only sources, uint8 (N, C, S, S). None takes ``example_label_maps``.
    """
    if isinstance(pairs, Pairs):
        outputs = path.translate(pairs.source, path.grid())
        return slider_of_pairs(pairs, outputs, stops=path.lambdas, discriminator=path.discriminator)
    sources = example_label_maps(path.anchors[0].image_size) if pairs is None else pairs
    outputs = path.translate(sources, path.grid())
    encoded = {k: encode(output) for k, output in outputs.items()}
    return LambdaSlider(encoded, encode(sources), stops=path.lambdas, **_judge(path.discriminator, sources, outputs))


def slider_of_training(film: Any) -> LambdaSlider:
    """The slider of a ``TrainingFilm``, whose axis is the training step: when was it best, when did it memorise?"""
    if not film.frames:
        raise ValueError("The film has no frame yet: give it to train, or to sweep, as on_progress.")
    steps, last = film.steps, len(film.frames) - 1
    named = {round(i * last / NAMED) for i in range(NAMED + 1)}  # as many names as there is room for
    others = "on pairs that it was not trained on"
    meanings = {film.best_step("gradient_distance"): f"lowest gradient distance {others}"}
    meanings |= {film.best_step(): f"lowest L1 {others}", 0: "untrained"}
    positions = [
        {"label": f"step {step:,}", "short": f"{step:,}", "meaning": meanings.get(step, ""), "stop": i in named}
        for i, step in enumerate(steps)
    ]
    caption = f"of {len(film.pairs)} pairs that it was not trained on, and of {len(film.trained)} that it was"
    shown = (encode(film.pairs.source), encode(film.pairs.target), film.curves(), caption, film.pairs.names)
    if film.sources is not None:  # of which nobody knows the targets
        names = [f"drawing {i}" for i in range(1, len(film.sources) + 1)]
        shown = (encode(film.sources), None, film.curves(), caption, names)
    return LambdaSlider(
        {frame["step"]: encode(frame["output"]) for frame in film.frames},
        *shown,
        value=steps[-1],
        stops=[steps[i] for i in sorted(named)],
        positions=positions,
        axis="step",
    )


def slider_of_image(
    generators: Mapping[float, UNetGenerator] | LambdaPath,
    image: Image.Image | Tensor | str | Path | bytes,
    fit: bool = True,
) -> LambdaSlider:
    """The slider of one image, translated by the generator of each λ.

    Args:
        generators: by λ; or a λ path, of which the λ between the trained ones are shown, too.
        image: a PIL image, a uint8 tensor (C, H, W), a file, or a file's bytes, of any size and mode. The source is
            shown upright, in 8 bits, what is transparent on white, and at most ``LONGEST`` px, or half of that by a
            path. A tensor is translated at its own scale, all else as training saw its images.
        fit: False translates anything at its own scale, as in ``translate``.

    Raises ValueError if it can't be read as an image, and MemoryError as ``translate`` does.
    """
    path = generators if isinstance(generators, LambdaPath) else None
    first, longest = (path.anchors[0], LONGEST_ON_PATH) if path else (next(iter(generators.values())), LONGEST)
    seen, name = first.seen, "your image" if isinstance(image, bytes | Image.Image | Tensor) else Path(image).name
    if isinstance(image, Tensor):  # which has its range already
        check_source(image)
        image, fit = to_pil_image(image.cpu()).convert("RGB"), False
    else:
        try:
            image = convert(image, values=seen.range, upright=seen.exif)
        except ValueError as error:
            raise ValueError(f"{name} {error}: choose another image.") from error
    shown = _at_most(longest, image)
    fitted = shown
    if fit:
        plain = image.convert(MODES[first.source_channels])
        fitted = _at_most(longest, fit_to(plain, seen.aspect, first.image_size))
    source = pil_to_tensor(fitted)  # as a tensor it keeps its scale and its values
    if path:
        outputs = path.translate(source, path.grid())
    else:
        outputs = {k: translate(generator, source) for k, generator in generators.items()}
    encoded = {k: encode(_resized(output, shown.size)[None]) for k, output in outputs.items()}
    return LambdaSlider(encoded, encode(pil_to_tensor(shown)[None]), names=[name], stops=path and path.lambdas)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    return image if image.shape[:0:-1] == size else pil_to_tensor(to_pil_image(image).resize(size, BICUBIC))


def _at_most(longest: int, image: Image.Image) -> Image.Image:
    factor = max(1.0, max(image.size) / longest)
    return resize(image, (max(1, round(image.width / factor)), max(1, round(image.height / factor))))

"""Every figure is drawn without a warning, with the right images in the right places and no overlapping text."""

import io
import math
from types import SimpleNamespace

import pytest
import torch
from helpers.noise import noise
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from torch import Tensor

from pix2pix_colab import LAMBDAS, UNetGenerator, translate
from pix2pix_colab.data import Pairs
from pix2pix_colab.evaluation import METRICS, Interval, Measurement, Report, measure
from pix2pix_colab.figures import (
    disagreement_grid,
    feature_grid,
    image_grid,
    lambda_grid,
    loss_curves,
    metric_plot,
    pair_grid,
    tradeoff_plot,
    training_view,
)
from pix2pix_colab.figures.image_grids import GAP, draw_grid
from pix2pix_colab.figures.training_view import TrainingView
from pix2pix_colab.training import Progress, TrainConfig
from pix2pix_colab.utils.images import to_float

pytestmark = pytest.mark.filterwarnings("error", "ignore:.* deprecated - use:DeprecationWarning")  # pyparsing's words


def make_pairs(count: int, size: int = 16) -> Pairs:
    return Pairs(noise(count, 3, size, size), noise(count, 3, size, size, seed=1), [str(i) for i in range(count)])


def headings(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels()]


def grid_of(figure: Figure) -> Tensor:
    """The composed image of an image grid, (H, W, 3)."""
    (axes,) = figure.axes
    (image,) = axes.images
    return torch.from_numpy(image.get_array().data.copy())


def image_at(grid: Tensor, row: int, column: int, height: int = 16, width: int = 16) -> Tensor:
    """Image (row, column) of a grid, (3, H, W)."""
    top, left = row * (height + GAP), column * (width + GAP)
    return grid[top : top + height, left : left + width].permute(2, 0, 1)


def size_of(figure: Figure) -> tuple[int, int]:
    """The figure is drawn, and its picture measured."""
    figure.savefig(buffer := io.BytesIO())
    image = Image.open(buffer)
    assert image.format == "PNG"
    return image.size


def row(step: int, discriminator: float = 0.6) -> dict:
    return {"step": step, "epoch": 1, "discriminator": discriminator, "adversarial": 1.0, "l1": 0.3}


def test_each_image_of_a_grid_is_at_its_place():
    first, second = noise(3, 3, 10, 16), noise(3, 3, 10, 16, seed=1)
    axes = Figure().subplots()
    draw_grid(axes, [("first", first), ("second", second)])
    grid = grid_of(axes.figure)
    assert grid.shape == (3 * 10 + 2 * GAP, 2 * 16 + GAP, 3)
    for i in range(3):
        assert torch.equal(image_at(grid, i, 0, 10), first[i])
        assert torch.equal(image_at(grid, i, 1, 10), second[i])
    assert (grid[:, 16 : 16 + GAP] == 255).all() and (grid[10 : 10 + GAP] == 255).all()


def test_images_of_the_networks_are_shown_as_those_of_files():
    images = noise(2, 3, 10, 16)
    batch = to_float(images).requires_grad_()
    assert torch.equal(grid_of(image_grid([("batch", batch)])), grid_of(image_grid([("files", images)])))


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 3), (3, 1)])
def test_grey_pairs_are_shown(before, after):
    pairs = Pairs(noise(3, before, 16, 16), noise(3, after, 16, 16, seed=1), ["1", "2", "3"])
    grids = grid_of(pair_grid(pairs, across=2)), grid_of(lambda_grid(pairs, {0: pairs.target}))
    for places, grid in zip((((0, 0), (0, 2), (1, 0)), ((0, 0), (1, 0), (2, 0))), grids, strict=True):
        for i, (row, column) in enumerate(places):
            assert torch.equal(image_at(grid, row, column), pairs.source[i].expand(3, -1, -1))
            assert torch.equal(image_at(grid, row, column + 1), pairs.target[i].expand(3, -1, -1))
    assert torch.equal(image_at(grids[1], 2, 2), pairs.target[2].expand(3, -1, -1))


def test_headings_stand_over_their_columns():
    figure = image_grid([("source", noise(2, 3, 16, 16)), ("output", noise(2, 3, 16, 16))])
    assert headings(figure) == ["source", "output"]
    assert list(figure.axes[0].get_xticks()) == pytest.approx([8, 8 + 16 + GAP])
    wide, high = size_of(figure)
    assert wide / high == pytest.approx(3.2 / 3.5, rel=0.02)  # two images wide, two high and a heading


@pytest.mark.parametrize(("count", "across", "rows"), [(8, 4, 2), (3, 3, 1), (4, 1, 4), (6, 4, 2)])
def test_pairs_stand_in_rows_each_source_beside_its_target(count, across, rows):
    pairs = make_pairs(count)
    figure = pair_grid(pairs, across)
    assert headings(figure) == ["source", "target"] * across
    grid = grid_of(figure)
    assert grid.shape == (rows * (16 + GAP) - GAP, 2 * across * (16 + GAP) - GAP, 3)
    for i in range(count):
        assert torch.equal(image_at(grid, i // across, i % across * 2), pairs.source[i])
        assert torch.equal(image_at(grid, i // across, i % across * 2 + 1), pairs.target[i])
    size_of(figure)


def test_the_lambda_grid_has_a_column_for_each_lambda():
    pairs, outputs = make_pairs(2), {k: noise(2, 3, 16, 16, seed=i) for i, k in enumerate((0, 100, math.inf), start=5)}
    figure = lambda_grid(pairs, outputs)
    assert headings(figure) == ["source", "target", "λ = 0", "λ = 100", "L1 only"]
    for i in range(2):
        images = [pairs.source[i], pairs.target[i], *(output[i] for output in outputs.values())]
        assert all(torch.equal(image_at(grid_of(figure), i, j), image) for j, image in enumerate(images))
    size_of(figure)
    assert headings(lambda_grid(None, outputs)) == ["λ = 0", "λ = 100", "L1 only"]


def test_features_go_from_black_to_white():
    features = torch.randn(1, 5, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    features = torch.cat([features, torch.full((1, 1, 8, 8), 3.0)], dim=1)  # and a constant one
    figure = feature_grid(features)
    assert headings(figure) == [f"channel {i}" for i in range(1, 7)]
    grid = grid_of(figure)
    for i in range(5):
        image = image_at(grid, 0, i, 8, 8)
        assert image[0].argmax() == features[0, i].argmax() and image[0].argmin() == features[0, i].argmin()
        assert image.min() == 0 and image.max() >= 254
    assert not image_at(grid, 0, 5, 8, 8).any()
    size_of(figure)
    assert headings(feature_grid(features.repeat(1, 2, 1, 1))) == [f"channel {i}" for i in range(1, 9)]


def test_losses_are_drawn_against_the_step():
    figure = loss_curves([row(20), row(40)])
    adversarial, l1 = figure.axes
    lines = {line.get_label(): line for line in adversarial.lines}
    assert [text.get_text() for text in adversarial.get_legend().get_texts()] == list(lines)
    assert list(lines) == ["D", "G, adversarial", "0.69: D only guesses"]
    assert lines["D"].get_xydata().tolist() == [[20, 0.6], [40, 0.6]]
    assert lines["G, adversarial"].get_xydata().tolist() == [[20, 1.0], [40, 1.0]]
    assert lines["0.69: D only guesses"].get_ydata()[0] == pytest.approx(math.log(2))
    assert l1.lines[0].get_xydata().tolist() == [[20, 0.3], [40, 0.3]]
    assert "without λ" in l1.get_title()
    size_of(figure)


def measured(value: float, seed: int = 0) -> Measurement:
    return Measurement(value + 0.1 * torch.randn(10, generator=torch.Generator().manual_seed(seed)))


def make_report(lambdas: tuple[float, ...] = LAMBDAS, kid: bool = True) -> Report:
    """All metrics, and FCN scores of the targets."""
    found = {key: {k: measured(i + j, i) for j, k in enumerate(lambdas)} for i, key in enumerate(METRICS)}
    found.pop("kid")
    targets = {key: measured(40.0) for key in ("pixel_accuracy", "class_iou")}
    kids = {k: Interval(9 * i, 9 * i - 3, 9 * i + 5) for i, k in enumerate(lambdas)}
    return Report(10, found, targets, kids if kid else {})


@pytest.fixture
def report() -> Report:
    return make_report()


def words_of(axes: Axes) -> list[Text]:
    """The title, labels and texts of a plot that is drawn; there are labels of ticks beyond its ends, too."""
    words = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
    for i, (axis, limits) in enumerate(((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))):
        words += [each for each in axis.get_ticklabels() if min(limits) <= each.get_position()[i] <= max(limits)]
    return [each for each in words if each.get_text()]


def assert_words_apart(figure: Figure) -> None:
    """No two words touch, and all lie within the picture."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    words = [each for axes in figure.axes if axes.axison for each in words_of(axes)]
    boxes = [each.get_window_extent(canvas.get_renderer()) for each in words]
    picture = Bbox.from_bounds(0, 0, *canvas.get_width_height()).padded(1)
    assert boxes
    for i, (word, box) in enumerate(zip(words, boxes, strict=True)):
        assert picture.contains(*box.min) and picture.contains(*box.max), f"{word.get_text()!r} is cut off"
        for other, another in zip(words[:i], boxes[:i], strict=True):
            assert not box.padded(-1).overlaps(another.padded(-1)), f"{word.get_text()!r} over {other.get_text()!r}"


def test_each_metric_is_drawn_against_lambda_with_its_interval(report):
    figure = metric_plot(report)
    plots = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in plots] == [f"{m.name} {m.better}" for m in METRICS.values()]
    for axes, row in zip(plots, report.intervals.values(), strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10", "100", "1000", "L1\nonly"]
        assert axes.lines[0].get_ydata().tolist() == [interval.value for interval in row.values()]
        (bars,) = axes.collections
        ends = [[low, high] for _, low, high in row.values()]
        assert [pytest.approx(segment[:, 1].tolist()) for segment in bars.get_segments()] == ends
    assert_words_apart(figure)


def test_only_the_stops_of_a_path_have_names_and_dots(report):
    lambdas = next(iter(report.intervals.values()))
    stops = list(lambdas)[::2]
    for axes in metric_plot(report, stops=stops).axes[: len(report.intervals)]:
        assert list(axes.get_xticks()) == list(range(0, len(lambdas), 2))
        line = axes.containers[0].lines[0]
        assert len(line.get_xdata()) == len(lambdas) and line.get_markevery() == list(range(0, len(lambdas), 2))


def test_the_targets_are_a_dashed_line(report):
    dashed = {}
    for axes, key in zip(metric_plot(report).axes, METRICS, strict=False):
        for line in axes.lines:
            if line.get_linestyle() == "--":
                dashed[key] = line.get_ydata()[0]
                (words,) = axes.texts
                assert (words.get_text(), words.get_position()[1]) == ("targets", dashed[key])
    assert dashed == {"sharpness": 1} | {key: measurement.value for key, measurement in report.targets.items()}


@pytest.mark.parametrize(("count", "grid"), [(1, (1, 1)), (6, (1, 6)), (8, (2, 4)), (11, (2, 6)), (14, (3, 5))])
def test_metrics_stand_in_rows_of_about_one_length(report, count, grid):
    keys = list(METRICS)[:count]
    some = Report(
        10, {key: report.measured[key] for key in keys if key != "kid"}, {}, report.kid if "kid" in keys else {}
    )
    figure = metric_plot(some)
    assert figure.axes[0].get_gridspec().get_geometry() == grid
    assert sum(axes.axison for axes in figure.axes) == count
    assert_words_apart(figure)


@pytest.mark.parametrize("lambdas", [(100,), (0, 100), (1, 10, 1000, math.inf)])
def test_other_sweeps_are_plotted_too(lambdas):
    report = make_report(lambdas)
    outputs = {k: noise(2, 3, 128, 128) for k in lambdas}
    for figure in (metric_plot(report), tradeoff_plot(report, outputs)):
        assert_words_apart(figure)


@pytest.mark.parametrize("kid", [True, False])
def test_what_is_better_is_up_and_to_the_right(kid):
    """L1, KID and gradient distance are better if lower: both axes are inverted."""
    report = make_report(kid=kid)
    outputs = {k: noise(3, 3, 160, 160, seed=i) for i, k in enumerate(LAMBDAS)}
    figure = tradeoff_plot(report, outputs, image=2)
    axes, *details = figure.axes
    key, name = ("kid", "KID × 1000") if kid else ("gradient_distance", "gradient distance")
    assert axes.get_xlabel() == "closer to the target (L1) →"
    assert axes.get_ylabel() == f"more realistic ({name}) →"
    assert METRICS["l1"].better == METRICS[key].better == "↓"
    assert axes.xaxis_inverted() and axes.yaxis_inverted()
    assert [text.get_text() for text in axes.texts] == ["λ = 0", "λ = 1", "λ = 10", "λ = 100", "λ = 1000", "L1 only"]
    points = [(report.intervals["l1"][k].value, report.intervals[key][k].value) for k in LAMBDAS]
    assert [text.xy for text in axes.texts] == points
    assert [tuple(point) for point in axes.lines[0].get_xydata()] == points
    for k, across, up in zip(LAMBDAS, axes.collections[::2], axes.collections[1::2], strict=True):
        assert across.get_segments()[0][:, 0].tolist() == pytest.approx(list(report.intervals["l1"][k][1:]))
        assert up.get_segments()[0][:, 1].tolist() == pytest.approx(list(report.intervals[key][k][1:]))
    assert [each.get_xticklabels()[0].get_text() for each in details] == [text.get_text() for text in axes.texts]
    for each, output in zip(details, outputs.values(), strict=True):
        shown = torch.from_numpy(each.images[0].get_array().data.copy()).permute(2, 0, 1)
        assert torch.equal(shown, output[2, :, 16:144, 16:144]), "the middle"
    size_of(figure)


def test_the_disagreement_is_shown_with_its_metrics():
    """The one place where they disagree, of images that are else as they should be."""
    pairs = make_pairs(2, 256)
    target = pairs.target
    outputs = {100: target.clone(), math.inf: target.clone(), 0: noise(2, 3, 256, 256)}
    rows, columns = slice(64, 192), slice(128, 256)
    outputs[100][1, :, rows, columns] = target[1, :, rows, columns].roll(1, dims=-1)
    outputs[math.inf][1, :, rows, columns] = 128
    figure = disagreement_grid(100, math.inf, outputs, pairs)
    images = [each[1, :, rows, columns] for each in (pairs.source, outputs[100], outputs[math.inf], target)]
    for i, image in enumerate(images):
        assert torch.equal(image_at(grid_of(figure), 0, i, 128, 128), image)
    words = headings(figure)
    assert (words[0], words[3]) == ("source", "target")
    for heading, name, image in zip(words[1:3], ("λ = 100", "L1 only"), images[1:3], strict=True):
        found = {key: measurement.value for key, measurement in measure(image[None], images[3][None]).items()}
        metrics = f"{found['l1']:.2f}, SSIM {found['ssim']:.2f}\nsharpness {found['sharpness']:.2f}"
        assert heading == f"{name}: L1 {metrics}"
    assert_words_apart(figure)


@pytest.mark.parametrize("with_pair", [True, False])
def test_where_there_is_no_disagreement_the_figure_says_so(with_pair):
    pairs = make_pairs(2, 128)
    outputs = {100: pairs.source, math.inf: pairs.target}  # better by both
    figure = disagreement_grid(100, math.inf, outputs, pairs, with_pair)
    words = "There is no detail on which L1 prefers L1 only and sharpness λ = 100."
    assert [text.get_text() for text in figure.texts] == [words] and not figure.axes
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.texts[0].get_window_extent(canvas.get_renderer())
    picture = Bbox.from_bounds(0, 0, *canvas.get_width_height())
    assert picture.contains(*box.min) and picture.contains(*box.max)


def test_one_image_is_plotted_without_an_interval():
    report = Report(1, {key: {k: Measurement(torch.rand(1)) for k in LAMBDAS} for key in ("l1", "gradient_distance")})
    for figure in (metric_plot(report), tradeoff_plot(report, {k: noise(1, 3, 128, 128) for k in LAMBDAS})):
        size_of(figure)


@pytest.mark.parametrize("heading", ["one", "one\ntwo", "one\ntwo\nthree"])
def test_headings_of_several_lines_fit(heading):
    figure = image_grid([("source", noise(1, 3, 64, 64)), (heading, noise(1, 3, 64, 64))])
    assert_words_apart(figure)


@pytest.fixture
def shown(monkeypatch) -> SimpleNamespace:
    """What IPython's display is given, and its handle to update it."""
    shown = SimpleNamespace(displayed=[], updates=[])
    handle = SimpleNamespace(update=shown.updates.append)
    monkeypatch.setattr(training_view, "display", lambda picture, display_id: shown.displayed.append(picture) or handle)
    return shown


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that stands still until it is set."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(training_view, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture(scope="module")
def generator() -> UNetGenerator:
    torch.manual_seed(0)
    return UNetGenerator(width=1, image_size=128)


@pytest.fixture
def progress(generator):
    def at(step: int, steps: int = 50, lambda_l1: float = 100) -> Progress:
        config = TrainConfig(lambda_l1=lambda_l1, image_size=128, width=1)
        nan_at_infinity = math.nan if lambda_l1 == math.inf else 0.6
        return Progress(config, step, steps, [row(i, nan_at_infinity) for i in range(10, step + 1, 10)], generator)

    return at


def test_the_view_is_displayed_once_and_then_updated_in_place(shown, progress):
    view = TrainingView(make_pairs(2, 128), seconds=0, share=1)
    for step in (0, 10, 20, 50):
        view(progress(step))
    assert len(shown.displayed) == 1 and len(shown.updates) == 3
    pictures = [picture.data for picture in shown.displayed + shown.updates]
    assert len(set(pictures)) == 4
    assert len({Image.open(io.BytesIO(picture)).size for picture in pictures}) == 1


def test_the_view_does_not_draw_too_often_but_always_at_the_end(shown, progress, clock):
    view = TrainingView(make_pairs(1, 128), seconds=5)
    for clock.now, step in ((1000, 0), (1001, 10), (1004.9, 20), (1005, 30), (1006, 40), (1006.1, 50)):
        view(progress(step))
    assert len(shown.displayed) == 1
    assert len(shown.updates) == 2  # at steps 30 and 50


def test_the_view_takes_no_more_than_its_share_of_the_time(shown, progress, clock, monkeypatch):
    view = TrainingView(make_pairs(1, 128), seconds=5, share=0.05)
    draw = view.draw

    def draw_slowly(*arguments):
        clock.now += 2
        return draw(*arguments)

    monkeypatch.setattr(view, "draw", draw_slowly)
    for clock.now, step in ((1000, 0), (1039, 10), (1040, 20), (1079, 30), (1081, 40)):
        view(progress(step))
    assert len(shown.updates) == 2  # at steps 20 and 40: 2 s of every 40


@pytest.mark.parametrize("lambda_l1", [0, 100, math.inf])
def test_the_view_shows_samples_and_losses(shown, progress, generator, lambda_l1):
    pairs = make_pairs(2, 128)
    view = TrainingView(pairs)
    view(progress(0, lambda_l1=lambda_l1))
    figure = view.draw(progress(20, lambda_l1=lambda_l1))
    grid, adversarial, l1 = figure.axes
    assert [label.get_text() for label in grid.get_xticklabels()] == ["source", "output", "target"]
    image = torch.from_numpy(grid.images[0].get_array().data.copy())
    output = translate(generator, pairs.source)
    for i in range(2):
        expected = (pairs.source[i], output[i], pairs.target[i])
        assert all(torch.equal(image_at(image, i, j, 128, 128), each) for j, each in enumerate(expected))
    assert len(adversarial.lines) == (0 if lambda_l1 == math.inf else 3)
    assert l1.lines[0].get_xydata().tolist() == [[10, 0.3], [20, 0.3]]


def test_the_view_says_how_far_it_is(shown, progress):
    view = TrainingView(make_pairs(1, 128))
    assert view.draw(progress(1000, 2500)).get_suptitle() == "λ = 100: step 1,000 of 2,500"
    assert view.draw(progress(50, 50, math.inf)).get_suptitle() == "L1 only: step 50 of 50"


def test_another_run_gets_a_picture_of_its_own(shown, progress):
    view = TrainingView(make_pairs(1, 128))
    for step, steps in ((0, 20), (20, 20), (0, 10), (10, 10)):
        view(progress(step, steps))
    assert len(shown.displayed) == len(shown.updates) == 2

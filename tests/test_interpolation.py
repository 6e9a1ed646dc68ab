"""Every λ between a few trained ones."""

import math

import numpy as np
import pytest
import torch
from helpers.noise import noise_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pix2pix_colab import LAMBDAS, LambdaPath, UNetGenerator, translate

EARLY = [f"encoder.{i}." for i in range(7)] + [f"decoder.{i}." for i in range(4)]


def make(lambdas=LAMBDAS, late: int = 3, **settings) -> dict[float, UNetGenerator]:
    """Generators of 128 px that share all but their last ``late`` layers."""
    torch.manual_seed(0)
    generators = {k: UNetGenerator(2, 128, **settings) for k in lambdas}
    first = generators[lambdas[0]]
    for generator in generators.values():
        generator.encoder.load_state_dict(first.encoder.state_dict())
        for own, shared in zip(generator.decoder[:-late], first.decoder[:-late], strict=True):
            own.load_state_dict(shared.state_dict())
        for parameter in generator.decoder[-late:].parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return generators


@pytest.fixture(scope="module")
def generators() -> dict[float, UNetGenerator]:
    return make()


@pytest.fixture
def path(generators) -> LambdaPath:
    return LambdaPath(generators)


@pytest.fixture(scope="module")
def source() -> torch.Tensor:
    return noise_pairs(2, 128).source


def test_the_positions_of_the_papers_lambdas(path):
    assert [path.position(k) for k in LAMBDAS] == [0, 1, 2, 3, 4, 5]
    expected = {0.5: 0.5, 0.2: 0.2, math.sqrt(10): 1.5, 30: 1 + math.log10(30), 2000: 4.5, 4000: 4.75}
    assert {k: path.position(k) for k in expected} == pytest.approx(expected)


@settings(derandomize=True, deadline=None)
@given(st.floats(0, 5), st.lists(st.integers(1, 10**5), min_size=2, max_size=5, unique=True), st.booleans())
def test_position_and_lambda_are_inverse_and_rise(generators, position, others, ends):
    one = next(iter(generators.values()))
    for path in (LambdaPath(generators), LambdaPath(dict.fromkeys([*others, *([0, math.inf] if ends else [])], one))):
        position = min(position, len(path.lambdas) - 1)
        lambda_l1 = path.lambda_at(position)
        assert path.lambdas[0] <= lambda_l1 <= path.lambdas[-1]
        if lambda_l1 < 1e12:
            assert path.position(lambda_l1) == pytest.approx(position, abs=1e-6)
        assert path.lambda_at(min(position + 0.1, len(path.lambdas) - 1)) >= lambda_l1


def test_a_path_from_0_straight_to_infinity_has_a_middle(generators):
    path = LambdaPath({k: generators[k] for k in (0, math.inf)})
    assert path.lambda_at(0.5) == 1 and path.position(1) == 0.5 and path.position(math.inf) == 1


def test_the_grid_has_the_anchors_and_short_numbers_between(path):
    grid = path.grid()
    assert len(grid) == 21 and grid[::4] == list(LAMBDAS) and grid == sorted(set(grid))
    assert grid[1:4] == [0.25, 0.5, 0.75] and grid[9:12] == [18, 32, 56] and grid[17:20] == [1300, 2000, 4000]
    assert len(path.grid(4)) == 26
    assert path.grid(0) == list(LAMBDAS)


def test_at_the_anchors_it_is_exactly_the_trained_generator(path, generators, source):
    outputs = path.translate(source, LAMBDAS)
    for k, trained in generators.items():
        assert all(
            torch.equal(value, path.generator(k).state_dict()[name]) for name, value in trained.state_dict().items()
        )
        assert torch.equal(outputs[k], translate(trained, source))


def test_between_the_weights_are_linear_in_the_position(path, generators):
    between = path.generator(path.lambda_at(2.25)).state_dict()
    low, high = generators[10].state_dict(), generators[100].state_dict()
    for name, value in between.items():
        shared = any(name.startswith(each) for each in EARLY)
        expected = low[name] if shared else 0.75 * low[name] + 0.25 * high[name]
        assert torch.equal(low[name], high[name]) or not shared
        assert torch.allclose(value.float(), expected.float(), atol=1e-6), name


def test_the_early_layers_are_in_memory_once(path):
    one, other = path.generator(3), path.generator(300)
    assert one.encoder[0][0].weight is other.encoder[0][0].weight
    assert one.decoder[-4][1].weight is other.decoder[-4][1].weight
    assert one.decoder[-3][1].weight is not other.decoder[-3][1].weight


def test_many_lambdas_are_translated_as_one_by_one(path, source, monkeypatch):
    passes = []
    early = UNetGenerator.early_layers
    monkeypatch.setattr(UNetGenerator, "early_layers", lambda *a: passes.append(1) or early(*a))
    outputs = path.translate(source, [0.3, 30, 5000], seed=3)
    assert len(passes) == len(source), "the shared layers see each image once"
    for k, output in outputs.items():
        assert torch.equal(output, translate(path.generator(k), source, seed=3))
    assert not torch.equal(outputs[30], outputs[5000])


def test_dropout_in_the_late_layers_has_the_same_masks_for_every_lambda(source):
    generators = make((1, 100), late=6, dropout_layers=(1, 2, 3))
    path = LambdaPath(generators)
    assert path.late_layers == 6
    outputs = path.translate(source, [1, 7, 100])
    assert all(torch.equal(output, translate(path.generator(k), source)) for k, output in outputs.items())


def test_a_path_translates_every_kind_of_image(path):
    random = np.random.default_rng(0).integers(256, size=(60, 90, 3), dtype=np.uint8)
    for image in (Image.fromarray(random), random, torch.from_numpy(random).permute(2, 0, 1)):
        (output,) = path.translate(image, [30]).values()
        assert type(output) is type(image) and np.shape(output) == np.shape(image)
    with pytest.raises(ValueError, match="translate takes a PIL image"):
        path.translate(random.astype(np.float32), [30])


def test_translating_leaves_the_generators_as_they_are(path, generators, source):
    before = {k: {name: value.clone() for name, value in g.state_dict().items()} for k, g in generators.items()}
    state = torch.get_rng_state()
    generators[100].eval()
    path.translate(source, [0, 30, math.inf])
    assert torch.equal(state, torch.get_rng_state()) and not generators[100].training and generators[0].training
    for k, generator in generators.items():
        assert all(torch.equal(value, before[k][name]) for name, value in generator.state_dict().items())
        assert all(m.track_running_stats for m in generator.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_what_is_no_path_gets_a_sentence(generators):
    with pytest.raises(ValueError, match="at least one λ"):
        LambdaPath({})
    torch.manual_seed(1)
    with pytest.raises(ValueError, match="different encoders, so nothing useful lies between"):
        LambdaPath({0: UNetGenerator(2, 128), 1: UNetGenerator(2, 128)})
    with pytest.raises(ValueError, match="differ in size, channels or dropout"):
        LambdaPath({0: UNetGenerator(2, 128), 1: UNetGenerator(4, 128)})
    path = LambdaPath({k: generators[k] for k in (1, 10, 100)})
    for wrong in (0.5, math.inf):
        with pytest.raises(ValueError, match=f"λ is {wrong:g}, but this path leads from 1 to 100"):
            path.generator(wrong)
    with pytest.raises(ValueError, match="λ is -1"):
        path.position(-1)


def test_what_is_asked_for_beyond_the_path_gets_a_sentence(path, generators, source):
    for wrong in (-0.5, 5.5, math.nan, math.inf):
        with pytest.raises(ValueError, match="positions from 0 to 5"):
            path.lambda_at(wrong)
    with pytest.raises(ValueError, match="between is -1"):
        path.grid(-1)
    with pytest.raises(ValueError, match="λ is 'a'"):
        LambdaPath({"a": generators[0]})
    other = UNetGenerator(2, 128, dropout_layers=(2,))
    other.load_state_dict(dict(zip(other.state_dict(), generators[0].state_dict().values(), strict=True)))
    with pytest.raises(ValueError, match="dropout"):
        LambdaPath({0: generators[0], 1: other})
    assert path.translate(source, []) == {}


def test_a_grid_between_close_anchors_is_not_rounded(generators):
    path = LambdaPath({256: generators[0], 259: generators[1]})
    grid = path.grid()
    assert grid == sorted(set(grid)) and len(grid) == 5 and (grid[0], grid[-1]) == (256, 259)


def test_a_single_generator_is_a_path_of_one(generators, source):
    path = LambdaPath({100: generators[100]})
    assert path.grid() == [100] and torch.equal(path.translate(source, [100])[100], translate(generators[100], source))

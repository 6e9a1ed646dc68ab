"""The segmentation network is trained once, and the FCN scores agree with hand-made cases and torchmetrics."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pix2pix_colab.data import LABEL_COLOURS, Pairs, decode_label_maps, synthetic_facades
from pix2pix_colab.evaluation import fcn_score as module
from pix2pix_colab.evaluation.fcn_score import (
    Segmenter,
    class_accuracy,
    class_iou,
    confusion_matrices,
    pixel_accuracy,
    train_segmenter,
)

CLASSES = len(LABEL_COLOURS)


@pytest.fixture(scope="module", autouse=True)
def fewer_steps():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MIN_STEPS", 240)
        yield


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return synthetic_facades(12, 143)


@pytest.fixture(scope="module")
def segmenter_path(pairs, tmp_path_factory):
    path = tmp_path_factory.mktemp("segmenter") / "segmenter.pt"
    train_segmenter(pairs, path)
    return path


@pytest.fixture
def no_training(monkeypatch):
    def fail(*_):
        raise AssertionError("it must not be trained again")

    monkeypatch.setattr(module, "_train", fail)


def test_scores_by_hand():
    """Ten pixels of the first class, eight of them classified correctly; six of the second, three correctly."""
    counts = torch.tensor([[8, 2, 0], [3, 3, 0], [0, 0, 0]])  # the third doesn't occur
    assert pixel_accuracy(counts) == pytest.approx(11 / 16)
    assert class_accuracy(counts) == pytest.approx((0.8 + 0.5) / 2)
    assert class_iou(counts) == pytest.approx((8 / 13 + 3 / 8) / 2)
    phantom = torch.tensor([[8, 0, 2], [0, 6, 0], [0, 0, 0]])  # the third is predicted, but doesn't occur
    assert class_accuracy(phantom) == pytest.approx((0.8 + 1) / 2)
    assert class_iou(phantom) == pytest.approx((0.8 + 1 + 0) / 3)


@pytest.mark.parametrize("score", [pixel_accuracy, class_accuracy, class_iou])
def test_scores_take_means_and_batches(score):
    counts = torch.randint(9, (4, 3, 5, 5), generator=torch.Generator().manual_seed(2)).float()
    assert score(counts).shape == (4, 3)
    torch.testing.assert_close(score(counts / 7), score(counts))
    torch.testing.assert_close(score(counts)[2, 1], score(counts[2, 1]))


def test_a_confusion_matrix_counts_pixels_by_true_and_predicted_class():
    truth = torch.randint(CLASSES, (2, 8, 8), generator=torch.Generator().manual_seed(3))
    seen = truth.clone()
    seen[0, 0, :4], seen[1] = (truth[0, 0, :4] + 1) % CLASSES, 7

    class Oracle(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.image = torch.nn.Parameter(torch.zeros(1)), 0

        def forward(self, images: Tensor) -> Tensor:
            self.image += 1
            return torch.nn.functional.one_hot(seen[self.image - 1][None], CLASSES).permute(0, 3, 1, 2).float()

    counts = confusion_matrices(Oracle(), torch.zeros(2, 3, 8, 8, dtype=torch.uint8), truth)
    assert counts.shape == (2, CLASSES, CLASSES)
    for image in range(2):
        for t in range(CLASSES):
            for s in range(CLASSES):
                assert counts[image, t, s] == ((truth[image] == t) & (seen[image] == s)).sum()


@pytest.mark.slow
def test_it_learns_to_segment_targets(pairs, segmenter_path, no_training):
    test = synthetic_facades(8, 128, seed=1)
    segmenter, truth = train_segmenter(pairs, segmenter_path), decode_label_maps(test.source)
    found = confusion_matrices(segmenter, test.target, truth).sum(dim=0)
    commonest = truth.flatten().bincount().max() / truth.numel()
    assert pixel_accuracy(found) > commonest + 0.05, "better than to classify every pixel as wall"
    assert class_iou(found) > 2 / CLASSES * commonest
    blank = confusion_matrices(segmenter, torch.full_like(test.target, 128), truth).sum(dim=0)
    assert pixel_accuracy(found) > pixel_accuracy(blank) + 0.05, "the prediction depends on the image"


@pytest.mark.slow
def test_it_is_trained_once(pairs, segmenter_path, no_training):
    first, second = (train_segmenter(pairs, segmenter_path) for _ in range(2))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not first.training
    with pytest.raises(AssertionError, match="trained again"):
        train_segmenter(pairs[:11], segmenter_path)
    with pytest.raises(AssertionError, match="trained again"):
        train_segmenter(pairs, segmenter_path, seed=1)


@pytest.mark.slow
def test_a_damaged_file_is_replaced(pairs, segmenter_path, tmp_path, monkeypatch):
    path, content = tmp_path / "segmenter.pt", segmenter_path.read_bytes()
    trained = []
    monkeypatch.setattr(module, "_train", lambda *given: trained.append(given))
    for damaged in (content[: len(content) // 2], b"no checkpoint", b""):
        path.write_bytes(damaged)
        train_segmenter(pairs, path)
        assert trained.pop() and not trained
        train_segmenter(pairs, path)
        assert not trained, "and kept"


def test_equal_seeds_give_equal_bits_and_leave_no_trace(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MIN_STEPS", 3)
    monkeypatch.setattr(module, "EPOCHS", 0)
    state = torch.get_rng_state()
    nets = [train_segmenter(pairs, tmp_path / f"{name}.pt", seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert torch.equal(torch.get_rng_state(), state)
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in nets]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


class Recorder(TorchDispatchMode):
    """Records the names of all operators."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.name())
        return function(*args, **kwargs or {})


def test_it_trains_without_what_cuda_has_no_deterministic_form_of(pairs):
    """CUDA refuses nll_loss2d, the cross entropy of maps of classes, under deterministic algorithms."""
    with Recorder() as recorder:
        module._train(Segmenter(143), pairs, 2, 0, torch.device("cpu"))
    assert "aten::convolution_backward" in recorder.names, "it was trained"
    assert not [name for name in recorder.names if "nll_loss" in name]

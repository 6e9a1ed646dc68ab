"""A net reads labels off photos: it is trained once, and its figures are those of hand-made cases and torchmetrics."""

import io

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from pix2pix_colab.data import LABEL_COLOURS, Pairs, synthetic_facades
from pix2pix_colab.evaluation import fcn_score as module
from pix2pix_colab.evaluation.fcn_score import (
    class_accuracy,
    class_iou,
    confusion,
    pixel_accuracy,
    read_labels,
    train_segmenter,
)

CLASSES = len(LABEL_COLOURS)
PALETTE = torch.tensor(list(LABEL_COLOURS.values()), dtype=torch.uint8)


def painted(classes: Tensor) -> Tensor:
    """Classes (N, S, S) in their colours, uint8 (N, 3, S, S)."""
    return PALETTE[classes].permute(0, 3, 1, 2)


def as_jpeg(image: Tensor, quality: int = 75) -> Tensor:
    buffer = io.BytesIO()
    to_pil_image(image).save(buffer, "JPEG", quality=quality)
    return pil_to_tensor(Image.open(buffer))


@pytest.fixture(scope="module", autouse=True)
def fewer_steps():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEWEST", 240)
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


def test_labels_are_read_back():
    classes = torch.randint(CLASSES, (2, 16, 16), generator=torch.Generator().manual_seed(0))
    assert torch.equal(read_labels(painted(classes)), classes)


def test_labels_survive_jpeg():
    source = synthetic_facades(3, 256).source
    truth, damaged = read_labels(source), torch.stack([as_jpeg(image) for image in source])
    assert not torch.equal(damaged, source)
    found = read_labels(damaged)
    highest, lowest = (torch.nn.functional.max_pool2d(t.float(), 9, 1, 4) for t in (truth, -truth))
    within = highest == -lowest  # four pixels from any edge
    assert (found == truth).float().mean() > 0.8 and (found == truth)[within].float().mean() > 0.995


def test_what_is_no_label_map_gets_a_sentence():
    noise = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    edges = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    for images in (noise, edges, synthetic_facades(2, 128).target, noise[:, :1]):
        with pytest.raises(ValueError, match="The sources are no label maps in the twelve colours"):
            read_labels(images)


def test_figures_by_hand():
    """Of ten pixels of the first class eight are seen as it and two as the second, of which there are six."""
    counts = torch.tensor([[8, 2, 0], [3, 3, 0], [0, 0, 0]])  # the third doesn't occur
    assert pixel_accuracy(counts) == pytest.approx(11 / 16)
    assert class_accuracy(counts) == pytest.approx((0.8 + 0.5) / 2)
    assert class_iou(counts) == pytest.approx((8 / 13 + 3 / 8) / 2)
    phantom = torch.tensor([[8, 0, 2], [0, 6, 0], [0, 0, 0]])  # the third is seen where it isn't
    assert class_accuracy(phantom) == pytest.approx((0.8 + 1) / 2)
    assert class_iou(phantom) == pytest.approx((0.8 + 1 + 0) / 3)


def test_figures_are_those_of_torchmetrics():
    random = torch.Generator().manual_seed(1)
    truth, seen = (torch.randint(5, (4000,), generator=random) for _ in range(2))
    seen = torch.where(torch.rand(4000, generator=random) < 0.6, truth, seen)
    counts = torch.bincount(truth * 5 + seen, minlength=25).reshape(5, 5)
    assert pixel_accuracy(counts) == pytest.approx(multiclass_accuracy(seen, truth, 5, average="micro").item())
    assert class_accuracy(counts) == pytest.approx(multiclass_accuracy(seen, truth, 5, average="macro").item())
    assert class_iou(counts) == pytest.approx(multiclass_jaccard_index(seen, truth, 5).item())


@pytest.mark.parametrize("figure", [pixel_accuracy, class_accuracy, class_iou])
def test_figures_take_means_and_many_at_once(figure):
    counts = torch.randint(9, (4, 3, 5, 5), generator=torch.Generator().manual_seed(2)).float()
    assert figure(counts).shape == (4, 3)
    torch.testing.assert_close(figure(counts / 7), figure(counts))
    torch.testing.assert_close(figure(counts)[2, 1], figure(counts[2, 1]))


def test_confusion_counts_what_is_seen():
    truth = torch.randint(CLASSES, (2, 8, 8), generator=torch.Generator().manual_seed(3))
    seen = truth.clone()
    seen[0, 0, :4], seen[1] = (truth[0, 0, :4] + 1) % CLASSES, 7

    class Oracle(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.image = torch.nn.Parameter(torch.zeros(1)), 0

        def forward(self, photos: Tensor) -> Tensor:
            self.image += 1
            return torch.nn.functional.one_hot(seen[self.image - 1][None], CLASSES).permute(0, 3, 1, 2).float()

    counts = confusion(Oracle(), torch.zeros(2, 3, 8, 8, dtype=torch.uint8), truth)
    assert counts.shape == (2, CLASSES, CLASSES)
    for image in range(2):
        for t in range(CLASSES):
            for s in range(CLASSES):
                assert counts[image, t, s] == ((truth[image] == t) & (seen[image] == s)).sum()


def test_it_learns_to_read_photos(pairs, segmenter_path, no_training):
    test = synthetic_facades(8, 128, seed=1)
    segmenter, truth = train_segmenter(pairs, segmenter_path), read_labels(test.source)
    found = confusion(segmenter, test.target, truth).sum(dim=0)
    commonest = truth.flatten().bincount().max() / truth.numel()
    assert pixel_accuracy(found) > commonest + 0.05, "more than to call everything wall"
    assert class_iou(found) > 2 / CLASSES * commonest
    blank = confusion(segmenter, torch.full_like(test.target, 128), truth).sum(dim=0)
    assert pixel_accuracy(found) > pixel_accuracy(blank) + 0.05, "it looks at the image"


def test_it_is_trained_once(pairs, segmenter_path, no_training):
    first, second = (train_segmenter(pairs, segmenter_path) for _ in range(2))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not first.training
    with pytest.raises(AssertionError, match="trained again"):
        train_segmenter(pairs[:11], segmenter_path)
    with pytest.raises(AssertionError, match="trained again"):
        train_segmenter(pairs, segmenter_path, seed=1)


def test_a_damaged_file_is_made_anew(pairs, segmenter_path, tmp_path, monkeypatch):
    path, content = tmp_path / "segmenter.pt", segmenter_path.read_bytes()
    trained = []
    monkeypatch.setattr(module, "_train", lambda *given: trained.append(given))
    for damaged in (content[: len(content) // 2], b"no checkpoint", b""):
        path.write_bytes(damaged)
        train_segmenter(pairs, path)
        assert trained.pop() and not trained
        train_segmenter(pairs, path)
        assert not trained, "and kept"


def test_an_interrupted_training_leaves_nothing(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "FEWEST", 2)
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_segmenter(pairs, tmp_path / "segmenter.pt")
    assert list(tmp_path.iterdir()) == []


def test_equal_seeds_give_equal_bits_and_leave_no_trace(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEWEST", 3)
    monkeypatch.setattr(module, "EPOCHS", 0)
    state = torch.get_rng_state()
    nets = [train_segmenter(pairs, tmp_path / f"{name}.pt", seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert torch.equal(torch.get_rng_state(), state)
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in nets]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_pairs_without_label_maps_teach_nothing(tmp_path):
    photos = synthetic_facades(2, 143)
    with pytest.raises(ValueError, match="no label maps"):
        train_segmenter(Pairs(photos.target, photos.source, photos.names), tmp_path / "segmenter.pt")
    assert list(tmp_path.iterdir()) == []

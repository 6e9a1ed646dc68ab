"""The FCN score (section 4.1): how well a segmentation network recognises the labels in the outputs."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_confusion_matrix
from tqdm.auto import tqdm

from ..data import LABEL_COLOURS, Pairs, decode_label_maps, nearest_classes
from ..generator import UNetGenerator
from ..training import load_checkpoint, save_checkpoint
from ..utils.device import autocast_dtype, fork_rng
from ..utils.images import to_float, to_uint8

WIDTH = 16  # of a U-Net at half resolution; a MobileNet at full resolution takes six times as long and scores no better
BATCH_SIZE = 2  # per-pixel accuracy on synthetic facades after twelve epochs: 0.70; with 4 0.67, with 1 0.64
EPOCHS, MIN_STEPS, MAX_STEPS = 12, 384, 3000  # at most 3,000, or many pairs take hours
LEARNING_RATE = 3e-3  # the maximum of the one-cycle schedule (Smith and Topin 2018)


class Segmenter(nn.Module):
    """Segmentation network at half resolution: images (N, 3, S, S) in [-1, 1] -> class logits (N, 12, S, S)."""

    def __init__(self, size: int):  # of the training pairs; crops are a multiple of 128 px
        super().__init__()
        self.crop = max(128, size // 256 * 256)
        self.unet = UNetGenerator(WIDTH, max(128, self.crop // 2), dropout=0.2, target_channels=len(LABEL_COLOURS))
        self.unet.decoder[-1][-1] = nn.Identity()  # no Tanh: logits are unbounded

    def forward(self, images: Tensor) -> Tensor:
        half = functional.interpolate(images, size=self.unet.image_size, mode="area")
        return functional.interpolate(self.unet(half), size=images.shape[2:], mode="bilinear")


def train_segmenter(pairs: Pairs, path: str | Path, device: torch.device | str = "cpu", seed: int = 0) -> Segmenter:
    """Train the segmentation network to predict the label maps (source) of pairs from their targets.

    Crops and mirroring are those of the generator's training. The network is saved at ``path`` and trained once. A file
    that is damaged, or of other pairs, is replaced. Raises ValueError as ``decode_label_maps`` does.
    """
    decode_label_maps(pairs[:8].source)
    device, path = torch.device(device), Path(path)
    steps = min(MAX_STEPS, max(MIN_STEPS, EPOCHS * len(pairs) // BATCH_SIZE))
    key = {"pairs": pairs.record().fingerprint, "steps": steps, "seed": seed, "width": WIDTH}
    with fork_rng(device):
        torch.manual_seed(seed)
        segmenter = Segmenter(pairs.size)
    try:
        saved = load_checkpoint(path)
    except (FileNotFoundError, ValueError):
        saved = {}
    if saved.get("key") != key:
        _train(segmenter.to(device), pairs, steps, seed, device)
        save_checkpoint(path, saved := {"key": key, "segmenter": segmenter.state_dict()})
    segmenter.load_state_dict(saved["segmenter"])
    return segmenter.to(device).eval()


def _train(segmenter: Segmenter, pairs: Pairs, steps: int, seed: int, device: torch.device) -> None:
    """Minimise the cross entropy, with AdamW and the one-cycle learning rate schedule."""
    size, random, rows = segmenter.crop, torch.Generator().manual_seed(seed), []
    optimizer = torch.optim.AdamW(segmenter.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2)
    dtype = autocast_dtype(device)
    with fork_rng(device):
        torch.manual_seed(seed)
        for _ in tqdm(range(steps), desc="segmentation network", unit="step"):
            while len(rows) < BATCH_SIZE:
                rows += torch.randperm(len(pairs), generator=random).tolist()
            batch, rows = rows[:BATCH_SIZE], rows[BATCH_SIZE:]
            source, target = pairs.batch(batch, size, random, device)
            labels = nearest_classes(to_uint8(source))[0]
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = segmenter(target)
            truth = functional.one_hot(labels, len(LABEL_COLOURS)).movedim(-1, 1)
            loss = -(logits.float().log_softmax(dim=1) * truth).sum(dim=1).mean()  # cross_entropy isn't deterministic
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def confusion_matrices(segmenter: Segmenter, images: Tensor, labels: Tensor) -> Tensor:
    """Pixel counts (N, 12, 12), true × predicted class, of each image: uint8 (N, 3, S, S), labels int64 (N, S, S)."""
    device, counts = next(segmenter.parameters()).device, []
    for image, truth in zip(images, labels, strict=True):
        predicted = segmenter(to_float(image[None].to(device).expand(-1, 3, -1, -1))).argmax(dim=1)
        counts.append(multiclass_confusion_matrix(predicted[0].cpu(), truth.cpu(), len(LABEL_COLOURS)))
    return torch.stack(counts)


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """Share of the pixels that are classified correctly: counts or their means (..., C, C) -> (...)."""
    return _diagonal(confusion).sum(dim=-1) / confusion.sum(dim=(-2, -1))


def class_accuracy(confusion: Tensor) -> Tensor:
    """Accuracy of each class, averaged over the classes that occur: (..., C, C) -> (...)."""
    return (_diagonal(confusion) / confusion.sum(dim=-1)).nanmean(dim=-1)  # 0 / 0: the class doesn't occur


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union of each class, averaged over those that occur or are predicted: (..., C, C) -> (...)."""
    correct = _diagonal(confusion)
    return (correct / (confusion.sum(dim=-1) + confusion.sum(dim=-2) - correct)).nanmean(dim=-1)


def _diagonal(confusion: Tensor) -> Tensor:
    return confusion.diagonal(dim1=-2, dim2=-1)

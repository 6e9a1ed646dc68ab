"""Label consistency: what a net that knows photos sees in generated ones (the paper's FCN score, section 4.1)."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from ..data import LABEL_COLOURS, Pairs
from ..generator import UNetGenerator
from ..training import load_checkpoint, save_checkpoint
from ..utils.device import autocast_dtype, fork_rng
from ..utils.images import to_float, to_uint8

WIDTH = 16  # of a U-Net at half the size; a MobileNet of the full size costs six times as much and reads no better
BATCH_SIZE = 2  # reads 0.70 of the drawn pixels after twelve epochs; 4 reads 0.67, and 1 reads 0.64
EPOCHS, FEWEST, MOST = 12, 384, 3000  # steps: enough for few pairs, and not hours for many
LEARNING_RATE = 3e-3  # the highest, of one cycle (Smith and Topin 2018)
NEAR, SHARE = 60, 0.7  # a label map has most pixels this near to a colour of the palette; JPEG moves those at edges


def read_labels(source: Tensor) -> Tensor:
    """The class of every pixel of label maps, uint8 (N, 3, S, S) -> int64 (N, S, S): numbers of ``LABEL_COLOURS``.

    Raises:
        ValueError: if these are no label maps in the twelve colours of the CMP Facade Database.
    """
    labels, near = nearest_labels(source) if source.shape[1] == 3 else (None, 0)
    if near < SHARE:
        raise ValueError("The sources are no label maps in the twelve colours of the CMP Facade Database.")
    return labels


def nearest_labels(source: Tensor) -> tuple[Tensor, float]:
    """The number of the nearest colour of every pixel, (N, S, S), and the share of pixels that are near to theirs."""
    palette = torch.tensor(list(LABEL_COLOURS.values()), dtype=torch.float32, device=source.device)
    labels, near = [], 0.0
    for image in source:  # one by one: twelve distances a pixel take memory
        distance, nearest = torch.cdist(image.flatten(1).T.float(), palette).min(dim=1)
        labels.append(nearest.reshape(image.shape[1:]))
        near += (distance < NEAR).float().mean().item() / len(source)
    return torch.stack(labels), near


class Segmenter(nn.Module):
    """Photos (N, 3, S, S) in [-1, 1] -> logits of their classes (N, 12, S, S), seen at half the size."""

    def __init__(self, size: int):  # of the training pairs, whose crops have a multiple of 128 px
        super().__init__()
        self.crop = max(128, size // 256 * 256)
        self.unet = UNetGenerator(WIDTH, max(128, self.crop // 2), dropout=0.2, target_channels=len(LABEL_COLOURS))
        self.unet.decoder[-1][-1] = nn.Identity()  # logits go beyond [-1, 1]

    def forward(self, photos: Tensor) -> Tensor:
        half = functional.interpolate(photos, size=self.unet.image_size, mode="area")
        return functional.interpolate(self.unet(half), size=photos.shape[2:], mode="bilinear")


def train_segmenter(pairs: Pairs, path: str | Path, device: torch.device | str = "cpu", seed: int = 0) -> Segmenter:
    """A net that reads the label maps (source) of pairs off their photos (target).

    It learns from crops and mirrored images, as the generator does. It is trained once: ``path`` keeps it, and a file
    that is damaged, or of other pairs, is made anew.

    Raises:
        ValueError: as ``read_labels`` does.
    """
    read_labels(pairs[:8].source)
    device, path = torch.device(device), Path(path)
    steps = min(MOST, max(FEWEST, EPOCHS * len(pairs) // BATCH_SIZE))
    key = {"pairs": pairs.fingerprint(), "steps": steps, "seed": seed, "width": WIDTH}
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
    """Cross entropy, AdamW, and one cycle of the learning rate."""
    size, random, rows = segmenter.crop, torch.Generator().manual_seed(seed), []
    optimizer = torch.optim.AdamW(segmenter.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2)
    with fork_rng(device):
        torch.manual_seed(seed)
        for _ in tqdm(range(steps), desc="reading labels", unit="step"):
            while len(rows) < BATCH_SIZE:
                rows += torch.randperm(len(pairs), generator=random).tolist()
            batch, rows = rows[:BATCH_SIZE], rows[BATCH_SIZE:]
            source, target = pairs.batch(batch, size, random, device)
            labels = nearest_labels(to_uint8(source))[0]
            with torch.autocast(device.type, autocast_dtype(device)):
                logits = segmenter(target)
            loss = functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def confusion(segmenter: Segmenter, images: Tensor, labels: Tensor) -> Tensor:
    """How often which class is seen as which: uint8 (N, 3, S, S) and int64 (N, S, S) -> counts (N, 12, 12).

    Rows are the true classes, columns what the net sees.
    """
    device, classes = next(segmenter.parameters()).device, len(LABEL_COLOURS)
    counts = []
    for image, truth in zip(images, labels, strict=True):
        seen = segmenter(to_float(image[None].to(device).expand(-1, 3, -1, -1))).argmax(dim=1).flatten().cpu()
        counts.append(torch.bincount(truth.flatten().cpu() * classes + seen, minlength=classes**2))
    return torch.stack(counts).unflatten(1, (classes, classes))


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """The share of all pixels that are seen as what they are: counts or their means (..., C, C) -> (...)."""
    return _diagonal(confusion).sum(dim=-1) / confusion.sum(dim=(-2, -1))


def class_accuracy(confusion: Tensor) -> Tensor:
    """The same for each class alone, averaged over the classes that occur: (..., C, C) -> (...)."""
    return (_diagonal(confusion) / confusion.sum(dim=-1)).nanmean(dim=-1)  # 0 / 0 is a class that doesn't occur


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union of each class, averaged over those that occur or are seen: (..., C, C) -> (...)."""
    right = _diagonal(confusion)
    return (right / (confusion.sum(dim=-1) + confusion.sum(dim=-2) - right)).nanmean(dim=-1)


def _diagonal(confusion: Tensor) -> Tensor:
    return confusion.diagonal(dim1=-2, dim2=-1)

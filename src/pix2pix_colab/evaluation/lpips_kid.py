"""LPIPS and KID: perceptual distances in the features of AlexNet and Inception.

torchmetrics computes both. The weights of these networks (233 and 96 MB) are downloaded once, to torch.hub's folder.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import torch
from filelock import FileLock
from torch import Tensor, nn

from ..data import Patience, fetch
from ..utils.device import fork_rng
from .metrics import check_shapes

PATIENCE = Patience(rounds=1, timeout=10, slowest=2**18, grace=10)  # all but LPIPS and KID works without a network
SMALLEST = 31  # px, of which AlexNet's strides leave one
BATCH = 16  # images in a net at once
SUBSETS = 100  # of KID


def lpips(output: Tensor, target: Tensor, device: torch.device | str) -> Tensor:
    """Learned perceptual image patch similarity (Zhang et al. 2018), in AlexNet's features: 0 is equal.

    Both are uint8 (N, 1 or 3, H, W). Returns float32 (N,) on the CPU. Raises ValueError if they differ in shape, there
    is none, or they are smaller than ``SMALLEST``, and ConnectionError if the weights can't be fetched.
    """
    check_shapes(output, target)
    if min(target.shape[2:]) < SMALLEST:
        raise ValueError(f"LPIPS takes images of {SMALLEST} px or more, not {target.shape[2]} × {target.shape[3]}.")
    net, batches = _alexnet(torch.device(device)), zip(_colour(output, device), _colour(target, device), strict=True)
    return torch.cat([net(a / 255, b / 255, normalize=True).flatten().cpu() for a, b in batches])  # of [0, 1]


def kid(
    outputs: Mapping[float, Tensor], target: Tensor, device: torch.device | str, subset_size: int | None = None
) -> dict[float, tuple[float, float]]:
    """Kernel Inception distance (Bińkowski et al. 2018): distance of the feature distributions.

    It is unbiased for independent sets, so it can be below 0. Outputs and targets are paired here, which lowers it
    further, the more so for few images. The targets' features are computed once, and all λ use the same subsets.

    Args:
        outputs: for each λ uint8 (N, 1 or 3, H, W), as the targets.
        subset_size: images in each of the ``SUBSETS``. None is half of the N, but no more than torchmetrics' 1,000: the
            spread of halves is the standard error of the whole, or more, where that of all N images would be 0.

    Returns for each λ mean and standard deviation over the subsets.

    Raises:
        ValueError: if shapes differ, or there are fewer than four images, which have no halves with a pair in each.
        ConnectionError: if the weights can't be fetched, or torch-fidelity, which has the net, isn't installed.
    """
    for output in outputs.values():
        check_shapes(output, target)
    if len(target) < 4:
        raise ValueError(f"KID compares sets of images, and takes four or more, not {len(target)}.")
    net = _inception(torch.device(device))
    from torchmetrics.image.kid import KernelInceptionDistance

    subsets = {"subsets": SUBSETS, "subset_size": subset_size or min(len(target) // 2, 1000)}
    with warnings.catch_warnings(action="ignore"):  # that it keeps all features
        metric = KernelInceptionDistance(net, **subsets, reset_real_features=False, sync_on_compute=False)
    for batch in _colour(target, device):
        metric.update(batch, real=True)
    found = {}
    for k, output in outputs.items():
        metric.reset()
        for batch in _colour(output, device):
            metric.update(batch, real=False)
        with fork_rng("cpu"):
            torch.default_generator.manual_seed(0)
            found[k] = tuple(value.item() for value in metric.compute())
    return found


def _colour(images: Tensor, device: torch.device | str) -> Iterator[Tensor]:
    """Batch by batch uint8 (BATCH, 3, H, W) on the device."""
    return (batch.to(device).expand(-1, 3, -1, -1) for batch in images.split(BATCH))


@cache
def _alexnet(device: torch.device) -> nn.Module:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    from torchvision.models import AlexNet_Weights

    return _load("LPIPS", AlexNet_Weights.DEFAULT.url, lambda: LearnedPerceptualImagePatchSimilarity().net, device)


@cache
def _inception(device: torch.device) -> nn.Module:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
        from torchmetrics.image.kid import KernelInceptionDistance

        return _load("KID", URL_INCEPTION_V3, lambda: KernelInceptionDistance().inception, device)
    except ImportError as error:
        advice = "pip install torch-fidelity, and start Python anew"
        raise ConnectionError(f"KID needs torch-fidelity, which isn't installed here: {advice}.") from error


def _load(metric: str, url: str, build: Callable[[], nn.Module], device: torch.device) -> nn.Module:
    """Build a net, once the weights that it has torch.hub get from ``url`` are there."""
    file = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    try:
        if not file.exists():
            _fetch_once(url, file)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        why = f"{file.name} can't be fetched from {urlsplit(url).hostname} ({reason})"
        advice = f"connect to a network and call again, or put that file into {file.parent}"
        raise ConnectionError(f"{metric} needs weights, and {why}: {advice}.") from error
    try:
        with fork_rng(device), warnings.catch_warnings(action="ignore"):
            net = build()
    except ImportError:
        raise
    except Exception as error:  # pickle's, zipfile's and torch's own have no common base
        raise ValueError(f"{file} can't be read ({error}): delete it, and {metric} will fetch it anew.") from error
    return net.to(device)


def _fetch_once(url: str, file: Path) -> None:
    """Download a file whose name ends in the start of its sha256, as torch.hub's do. Its own way has no timeout."""

    def check(part: Path) -> None:
        with part.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if not digest.startswith(file.stem.rpartition("-")[2]):
            raise ValueError("what came is another file, or not all of it")

    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.parent.with_name(".weights.lock")):
        if not file.exists():  # another process may have fetched it meanwhile
            fetch([url], file, check=check, patience=PATIENCE, progress=False)

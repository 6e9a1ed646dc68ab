"""The classes of label maps: those of the facades, or those that the colours of other label maps tell."""

import torch
from torch import Tensor

from ...data import LABEL_COLOURS

Colour = tuple[int, int, int]
MOST = 24  # classes
APART = 40  # levels between the colours of two classes; nearer ones are what JPEG made of one
EXACT, MIN_SHARE = 10, 0.7  # most pixels of a label map are this close to a class; of photos a third at most
IMAGES = 16  # enough to know the classes


def label_classes(source: Tensor) -> dict[str, Colour]:
    """Find the classes of label maps by their most frequent colours.

    Args:
        source: uint8 (N, 3, H, W) or (N, 1, H, W).

    Returns:
        The colour of each class by its name, the most frequent class first; but ``LABEL_COLOURS`` if those are its
        colours.

    Raises:
        ValueError: if most pixels have none of a few colours, so that these are no label maps.
    """
    if not len(source):
        raise ValueError("There are no label maps to find the classes of: give some, or the classes.")
    pixels = source[:IMAGES].expand(-1, 3, -1, -1).movedim(1, -1).reshape(-1, 3).cpu()
    facades = torch.tensor(list(LABEL_COLOURS.values()))
    if _share_near(pixels, facades) >= MIN_SHARE:
        return LABEL_COLOURS
    colours, counts = torch.unique(pixels, dim=0, return_counts=True)
    colours, classes = colours[counts.argsort(descending=True)].float(), []
    while len(colours) and len(classes) < MOST:
        classes.append(colours[0])
        colours = colours[(colours - colours[0]).norm(dim=1) > APART]
    if _share_near(pixels, torch.stack(classes)) < MIN_SHARE:
        raise ValueError("The sources are no label maps: most of their pixels have none of a few colours.")
    rounded = [tuple(int(level) for level in colour) for colour in classes]
    return {"#{:02x}{:02x}{:02x}".format(*colour): colour for colour in rounded}  # they have no other names


def _share_near(pixels: Tensor, palette: Tensor) -> float:
    """The share of pixels (P, 3) within ``EXACT`` levels of a colour of the palette (C, 3)."""
    near = [(torch.cdist(part.float(), palette.float()).min(dim=1).values < EXACT) for part in pixels.split(2**16)]
    return torch.cat(near).float().mean().item()

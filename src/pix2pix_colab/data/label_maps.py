"""Label maps: decoded by the twelve colours of the CMP Facade Database, or by the colours that other ones tell.

The drawing board reads files by the same rule: ``fromPixels`` in widgets/drawing/label_map.js.
"""

from collections import Counter
from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d
from torchvision.transforms.functional import to_pil_image

from ..utils.images import label_colours
from .pairs import Pairs

Colour = tuple[int, int, int]
LABEL_COLOURS: dict[str, Colour] = {  # those that pix2pix gives the classes
    "background": (0, 0, 220),
    "facade": (0, 48, 252),
    "window": (0, 128, 252),
    "door": (0, 204, 252),
    "cornice": (32, 252, 224),
    "sill": (112, 252, 140),
    "balcony": (192, 252, 60),
    "blind": (252, 240, 0),
    "deco": (252, 156, 0),
    "molding": (252, 80, 0),
    "pillar": (252, 0, 0),
    "shop": (172, 0, 0),
}
NEAR, MIN_SHARE = 30, 0.5  # levels, share of pixels: half of a real facade at least (256 px), a thousandth of a photo
EXACT, EXACT_SHARE = 10, 0.7  # the same for other colours, of which there are many: a single photo has 0.62 at most
MOST, MOST_EXACT = 24, 256  # classes of other colours: of JPEGs, and of exact label maps
APART = 40  # levels between the colours of two classes; nearer ones are what JPEG made of one
MOST_IDS, IGNORED = 199, 255  # the greatest class id of a grey mask, and that of "no class"
GRADIENT = 16  # levels; of more, which differ by 1 or 2 from pixel to pixel, most are those of smooth images
IMAGES = 16  # enough to know the classes


def nearest_classes(
    source: Tensor, colours: Collection[Colour] = LABEL_COLOURS.values(), near: float = NEAR
) -> tuple[Tensor, float]:
    """Find the nearest colour of each pixel: uint8 (N, 3, H, W) -> indices (N, H, W), and the share of near pixels."""
    palette = torch.tensor(list(colours), dtype=torch.float32, device=source.device)
    labels, share = [], 0.0
    for image in source:  # one by one: twelve distances per pixel take memory
        distance, nearest = torch.cdist(image.flatten(1).T.float(), palette).min(dim=1)
        labels.append(nearest.reshape(image.shape[1:]))
        share += (distance <= near).float().mean().item() / len(source)
    return torch.stack(labels), share


def decode_label_maps(source: Tensor) -> Tensor:
    """Decode label maps into class indices, those of ``LABEL_COLOURS``: uint8 (N, 3, S, S) -> int64 (N, S, S).

    Raises ValueError if they are no label maps in the twelve colours of the CMP Facade Database.
    """
    labels, share = nearest_classes(source) if source.shape[1] == 3 else (None, 0)
    if share < MIN_SHARE or not _may_be_facades(_exact_colours(source)):
        raise ValueError("The sources are no label maps in the twelve colours of the CMP Facade Database.")
    return labels


def describe_class_ids(pairs: Pairs) -> list[str]:
    """A sentence for each side whose images are grey masks of class ids, which look black.

    Their levels are whole areas, and some are next to each other: those of photos are noise or gradients, and those of
    other masks far apart.
    """
    said, ranges = [], (pairs.seen.range, pairs.seen.target_range)
    for name, values in zip(("source", "target"), ranges, strict=True) if len(pairs) else ():
        images = getattr(pairs, name)
        if values not in (None, (0, 255)) or not (images == images[:, :1]).all():
            continue
        levels = [level for level in images[:, 0].unique().tolist() if level != IGNORED]
        if len(levels) > 1 and levels[-1] <= MOST_IDS and _are_ids(images[:, 0], levels):
            option = f"{name}_range=(0, {levels[-1]})"
            said.append(
                f"the {name}s have no grey levels but {levels[0]} to {levels[-1]}, as masks of class ids have: they "
                f"look black, and classes differ by 1 of 255. {option} makes them differ; better, give them the "
                "colours of a palette (docs/data.md, Masks of class ids)."
            )
    return said


def _are_ids(masks: Tensor, levels: list[int]) -> bool:
    """Whether grey levels are class ids: label maps of flat areas, not of gradients.

    The least two ids are next to each other, or ids lie close together: other masks have levels far apart.
    """
    steps = torch.cat([masks.int().diff(dim=dim).abs().flatten() for dim in (1, 2)])
    flat = (steps == 0).float().mean() > 0.8
    near = levels[1] - levels[0] == 1 or len(levels) > (levels[-1] - levels[0]) / 8
    gradients = len(levels) > GRADIENT and steps[steps > 0].float().median() <= 2
    return bool(flat and near and not gradients) and all(label_colours(to_pil_image(mask), 3) for mask in masks)


def label_classes(source: Tensor) -> dict[str, Colour]:
    """Find the classes of label maps, uint8 (N, 3, H, W) or (N, 1, H, W), by their most frequent colours.

    Returns the colour of each class by its name, the most frequent class first; but ``LABEL_COLOURS`` if those are its
    colours. Raises ValueError if most pixels have none of a few colours, so that these are no label maps.
    """
    if not len(source):
        raise ValueError("There are no label maps to find the classes of: give some, or the classes.")
    maps = source[:IMAGES].expand(-1, 3, -1, -1).cpu()
    exact = _exact_colours(source)
    if _may_be_facades(exact) and nearest_classes(maps)[1] >= MIN_SHARE:
        return LABEL_COLOURS
    if exact:
        return _named(exact)
    highest, lowest = (max_pool2d(maps.float() * sign, 3, 1) * sign for sign in (1, -1))
    flat = (highest - lowest).amax(dim=1) <= 2 * EXACT  # at edges JPEG mixes the colours of classes
    colours, counts = torch.unique(maps[..., 1:-1, 1:-1].movedim(1, -1)[flat], dim=0, return_counts=True)
    colours, classes = colours[counts.argsort(descending=True)].float(), []
    while len(colours) and len(classes) < MOST:
        classes.append(tuple(colours[0].int().tolist()))
        colours = colours[(colours - colours[0]).norm(dim=1) > APART]
    if not classes or nearest_classes(maps, classes, EXACT)[1] < EXACT_SHARE:
        raise ValueError("The sources are no label maps: most of their pixels have none of a few colours.")
    return _named(classes)


def _named(colours: Collection[Colour]) -> dict[str, Colour]:
    return {"#{:02x}{:02x}{:02x}".format(*colour): colour for colour in colours}  # they have no other names


def _exact_colours(source: Tensor) -> list[Colour]:
    """The colours of the exact label maps, the most frequent first, if most of the images are such; else none.

    Others may have parts so small that they were interpolated.
    """
    maps = [label_colours(to_pil_image(image)) for image in source.expand(-1, 3, -1, -1).cpu()]
    counts = sum(map(Counter, filter(None, maps)), Counter())
    most = 2 * sum(each is not None for each in maps) >= len(maps) and len(counts) <= MOST_EXACT
    return [colour for colour, _ in counts.most_common()] if most else []


def _may_be_facades(exact: Collection[Colour]) -> bool:
    """Whether exact colours are all among the twelve of the facades; JPEGs (none) may be."""
    known = torch.tensor(list(LABEL_COLOURS.values()))
    return all((known - torch.tensor(colour)).abs().amax(dim=1).min() <= EXACT for colour in exact)

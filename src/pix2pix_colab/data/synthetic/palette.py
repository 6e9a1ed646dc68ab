"""The twelve classes of the CMP Facade Database, in the colours that pix2pix gives them in its label maps."""

LABEL_COLOURS: dict[str, tuple[int, int, int]] = {
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

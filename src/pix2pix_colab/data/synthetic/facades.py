"""Synthetic facades: label maps and photos of houses, rendered by procedure. The embedded data set.

Two streams of random numbers make a house. The plan decides what the label map shows: storeys, windows, balconies.
Chance decides the rest: brick or plaster, colours, curtains, the sky. So a label map tells where everything is and
not how it looks. L1 answers this ambiguity with an average, the adversarial loss with a decision.
"""

from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..label_maps import LABEL_COLOURS
from ..pairs import Pairs
from .canvas import UNIT, Box, Canvas, mix, tint

BRICKS = ((152, 74, 58), (122, 60, 50), (184, 112, 80), (200, 170, 124), (112, 84, 72), (140, 100, 78))
STONES = ((206, 192, 164), (176, 168, 152), (204, 182, 148), (150, 148, 144), (190, 160, 132), (120, 126, 132))
PLASTERS = ((226, 190, 124), (222, 162, 132), (176, 200, 170), (164, 186, 206), (236, 226, 200), (206, 140, 134))
PLASTERS += ((160, 162, 162), (192, 112, 82), (234, 210, 128), (92, 118, 120), (140, 128, 160), (224, 224, 222))
TRIMS = ((236, 230, 216), (242, 240, 236), (214, 202, 178), (188, 180, 166), (160, 132, 108), (122, 116, 112))
PAINTS = ((96, 60, 38), (54, 74, 60), (60, 72, 92), (120, 44, 40), (70, 68, 66), (168, 150, 120), (206, 200, 188))
CLOTHS = ((176, 46, 42), (40, 92, 74), (46, 70, 124), (204, 150, 56), (84, 60, 84), (60, 60, 62))
SKIES = (((92, 142, 204), (200, 222, 238)), ((160, 168, 178), (222, 224, 224)), ((122, 154, 190), (240, 224, 204)))
WHITE, IRON = (238, 234, 224), (36, 36, 40)


def synthetic_facades(count: int, size: int = 256, seed: int = 0) -> Pairs:
    """Render pairs of a label map (source) and a photo (target); pair i depends only on seed and i.

    Args:
        count: how many pairs, at least 1.
        size: side of the images in px, made for 128 to 572; the same houses at any size.
        seed: another seed, other houses.
    """
    if count < 1:
        raise ValueError(f"{count} facades can't be rendered: ask for a count of 1 or more.")
    images = np.stack([_render(size, Random(f"{seed}/{i} plan"), Random(f"{seed}/{i} chance")) for i in range(count)])
    source, target = torch.from_numpy(images).permute(1, 0, 4, 2, 3).contiguous()  # (N, 2, size, size, 3) -> 2 × NCHW
    return Pairs(source, target, [f"synthetic-{i:04d}" for i in range(count)])


def example_label_maps(size: int = 256) -> Tensor:
    """Six label maps to look at, uint8 (6, 3, size, size): no notebook trains or tests on them."""
    return synthetic_facades(6, size, seed=2).source[[3, 1, 4, 5, 2, 0]]  # a house of many windows first


class _House(Canvas):
    """A canvas and the look of one house, which its label map doesn't show."""

    def __init__(self, size: int, chance: Random):
        super().__init__(size, chance.getrandbits(64))
        self.chance = chance
        self.trim = chance.choice(TRIMS)
        self.frame = chance.choice((*[WHITE] * 5, *PAINTS))
        self.shutter = chance.choice((WHITE, *PAINTS))
        self.railing = chance.choice((IRON, IRON, WHITE, None))  # of iron in this colour, or of stone
        self.panes = chance.choice(((2, 1), (2, 2), (2, 3), (3, 3), (1, 2)))
        self.surround = chance.choice((0, 0, 1.6, 2.4))  # width of the stone around a window
        across = np.linspace(0, 1, self.photo.width, dtype=np.float32)
        streaks = (across + 0.45 * across[:, None]) % 0.09 < 0.03
        self.glass = mix((34, 44, 58), (156, 174, 192), 0.2 * streaks + 0.65 * self.cloud(24, 24) - 0.1)


def _wall(house: _House) -> Image.Image:
    """A texture: weathered plaster, or courses of bricks or stones, each of its own tone."""
    chance = house.chance
    palette, height, worn = chance.choice(((PLASTERS, 0, 0.74), (STONES, 10, 0.7), (BRICKS, 3.8, 0.52)))
    height, width = np.multiply(height * chance.uniform(0.85, 1.15), (1, 2.4))  # of a brick
    colour = tuple(min(255, c + chance.randint(-14, 14)) for c in chance.choice(palette))
    worn, joint = tint(colour, worn), tint(colour, chance.choice((0.6, 1.3)))
    share = 0.5 * house.cloud(5, 5) + 0.4 * house.cloud(4, 70) + 0.5 * house.cloud(160, 160) - 0.3
    if palette is PLASTERS:
        return mix(colour, worn, share)
    y = np.arange(house.photo.height) * UNIT / house.photo.height
    row = (y / height).astype(int)
    x = y + (row % 2 * width / 2)[:, None]  # every other course is moved by half a brick
    tones = house.noise.random((int(UNIT / height) + 1, int(UNIT / width) + 2), dtype=np.float32)
    texture = mix(colour, worn, 0.5 * share + 0.7 * tones[row[:, None], (x / width).astype(int)])
    texture.paste(joint, mask=Image.fromarray((y % height < 0.8)[:, None] | (x % width < 0.8)))
    return texture


def _render(size: int, plan: Random, chance: Random) -> np.ndarray:
    """Render a house, from the sky to the cornice: label map and photo, uint8 (2, size, size, 3)."""
    house = _House(size, chance)
    _surroundings(house)
    margin = plan.choice((0, plan.uniform(2, 10), plan.uniform(8, 22)))
    wall = Box(margin, plan.uniform(10, 34), UNIT - margin, plan.uniform(240, 250))
    house.box(wall, _wall(house), "facade")
    house.box(wall._replace(top=wall.bottom - 7), chance.choice(STONES))
    inner, floors = wall.grow(-plan.uniform(5, 12), -9, 0), plan.randint(2, 6)
    storey = inner.height / (floors + 0.2)  # the ground floor is a little higher
    ground = inner._replace(top=inner.bottom - 1.2 * storey)
    bays = plan.choice([n for n in range(2, 8) if 0.62 < inner.width / n / storey < 1.6])
    pillars = plan.choice((0, 0, bays, 1))  # one every so many bays
    moldings = plan.choice((floors, 1, 1, 0))  # one on each of so many storeys
    width, height = plan.uniform(0.42, 0.58), plan.uniform(0.52, 0.64)  # of a window in its bay
    for i in range(0, bays + 1, pillars) if pillars else ():
        x = inner.left + inner.width * i / bays
        house.raised(Box(x - 3, wall.top, x + 3, ground.top), house.trim, "pillar", 1.5)
        house.bars(Box(x - 1.8, wall.top + 14, x + 1.8, ground.top - 7), 2, 0.7, tint(house.trim, 0.7))
    _ground_floor(house, plan, ground.cut(bays), width, height)
    for floor in range(1, floors):
        bottom = ground.top - (floor - 1) * storey
        row = Box(inner.left, bottom - storey, inner.right, bottom)
        _storey(house, plan, row.cut(bays), width, height)
        if floor <= moldings:
            house.raised(Box(wall.left, bottom - 2, wall.right, bottom + 1.5), house.trim, "molding", 2.5)
    _cornice(house, wall.grow(1.5, 3, 0)._replace(bottom=wall.top + plan.uniform(4, 8)))
    return house.finish()


def _surroundings(house: _House) -> None:
    """Sky, pavement and kerb, all of them background."""
    height = np.linspace(0, 1, house.photo.height, dtype=np.float32)[:, None]
    sky = mix(*house.chance.choice(SKIES), 1.2 * height + 1.6 * house.cloud(7, 4) - 0.8)
    house.box(Box(0, 0, UNIT, UNIT), sky, "background")
    house.box(Box(0, 236, UNIT, UNIT), (84, 84, 88))
    house.box(Box(0, 236, UNIT, 250), (146, 144, 140))
    house.bars(Box(0, 236, UNIT, 250), 14, 0.5, (112, 110, 108))
    house.raised(Box(0, 249, UNIT, 252), (160, 158, 154))


def _storey(house: _House, plan: Random, cells: list[Box], width: float, height: float) -> None:
    """Windows, one a bay, with what the storey gives to all of them or to some."""
    balconies = plan.choice(((), (), cells, cells[::2], cells[1:-1]))
    blinds, shutters, deco = plan.choice((0, 0.3, 0.8)), plan.random() < 0.25, plan.random() < 0.3
    for cell in cells:
        window = cell.part(0.5 - width / 2, 0.2, 0.5 + width / 2, 0.92 if cell in balconies else 0.2 + height)
        _window(house, window, sill=cell not in balconies)
        if shutters:
            _louvres(house, window.part(-0.32, 0, 0, 1))
            _louvres(house, window.part(1, 0, 1.32, 1))
        elif plan.random() < blinds:
            _louvres(house, window.part(0, 0, 1, plan.uniform(0.2, 0.6)))
        if cell in balconies:
            _balcony(house, window.part(0, 0.54, 1, 1).grow(2.5, 0, 1))
        if deco:
            panel = Box(window.left, cell.top + 1, window.right, window.top - 2)
            house.raised(panel, house.trim, "deco")
            house.bars(panel.part(0.1, 0.28, 0.9, 0.78), window.width / 4, 1.6, tint(house.trim, 0.7))


def _ground_floor(house: _House, plan: Random, cells: list[Box], width: float, height: float) -> None:
    """A door, in the middle or elsewhere, between windows or shops."""
    door = plan.choice((cells[len(cells) // 2], plan.choice(cells)))
    shops, awnings = plan.random() < 0.45, plan.random() < 0.6
    for cell in cells:
        opening = cell.part(0.5 - width / 2, 0.22, 0.5 + width / 2, 0.22 + height)
        if cell is door:
            _door(house, opening._replace(bottom=cell.bottom).grow(1, 0, 0))
        elif shops:
            _shop(house, cell.part(0, 0.06, 1, 1), awnings)
        else:
            _window(house, opening)


def _window(house: _House, box: Box, sill: bool = True) -> None:
    """Glass, perhaps curtains, and a frame, set back into the wall."""
    if house.surround:
        house.raised(box.grow(house.surround, house.surround, 0), house.trim, "facade")
    house.box(box, house.glass, "window")
    if house.chance.random() < 0.4:
        for curtain in (box.part(0, 0, 0.24, 1), box.part(0.76, 0, 1, 1)):
            house.box(curtain, (204, 198, 184))
            house.bars(curtain, curtain.width / 1.6, 0.6, (164, 158, 148))
    house.bars(box, house.panes[0], 1.1, house.frame)
    house.bars(box, house.panes[1], 1.1, house.frame, upright=False)
    house.recess(box)
    if sill:
        house.raised(Box(box.left - 1.5, box.bottom, box.right + 1.5, box.bottom + 2.4), house.trim, "sill", 2)


def _louvres(house: _House, box: Box) -> None:
    """A leaf of slats, which is a shutter or a blind."""
    colour = house.shutter
    house.raised(box, colour, "blind")
    house.bars(box.grow(-0.8, -1, -1), box.height / 2, 0.7, tint(colour, 0.6), upright=False)


def _balcony(house: _House, box: Box) -> None:
    """A slab with a railing: of iron, through which the window shows, or of stone."""
    trim, iron = house.trim, house.railing
    if iron:
        house.bars(box, box.width / 2.2, 0.6, iron)
        house.bars(box.grow(0, 0, -4), 1, 0.9, iron, upright=False)
    else:
        house.box(box, tint(trim, 0.4))
        house.bars(box, box.width / 3, 1.7, trim)
        house.raised(box._replace(bottom=box.top + 1.8), trim)
    house.raised(box._replace(top=box.bottom - 2), trim, depth=3)
    house.label.paste(LABEL_COLOURS["balcony"], box.pixels(house.label))


def _cornice(house: _House, box: Box) -> None:
    """A slab over dentils, with a long shadow on the wall."""
    house.shade(box.grow(0, 0, 4), 0.5)
    house.box(box, tint(house.trim, 0.8), "cornice")
    house.bars(box.part(0, 0.45, 1, 0.85), box.width / 3.6, 1.8, house.trim)
    house.raised(box.part(0, 0, 1, 0.45), house.trim, depth=1.5)


def _door(house: _House, box: Box) -> None:
    """Two panelled leaves under a fanlight, in a frame of stone."""
    colour = house.chance.choice(PAINTS)
    house.raised(box.grow(1.5, 1.5, 0), house.trim, "facade")
    house.box(box, colour, "door")
    house.box(box.part(0.08, 0.03, 0.92, 0.18), house.glass)
    for x, y, bottom in ((0.1, 0.25, 0.57), (0.54, 0.25, 0.57), (0.1, 0.63, 0.91), (0.54, 0.63, 0.91)):
        panel = box.part(x, y, x + 0.36, bottom)
        house.box(panel, tint(colour, 0.62))
        house.raised(panel.grow(-0.9, -0.9, -0.3), colour)
    house.box(box.part(0.49, 0.03, 0.51, 1), tint(colour, 0.5))
    house.recess(box)


def _shop(house: _House, box: Box, awning: bool) -> None:
    """A display window with wares, a sign above it, and perhaps an awning."""
    chance, cloth = house.chance, house.chance.choice(CLOTHS)
    house.box(box, house.shutter, "shop")
    pane = box.part(0.08, 0.24, 0.92, 0.86)
    house.box(pane, house.glass)
    for x in np.arange(0.04, 0.85, 4 / pane.width):
        ware = pane.part(x, chance.uniform(0.5, 0.9), x + chance.uniform(2, 4) / pane.width, 1)
        house.box(ware, tint(chance.choice(PLASTERS + CLOTHS), 0.85))
    house.bars(pane, 2, 1, house.frame)
    house.recess(pane)
    house.raised(box.part(0.02, 0, 0.98, 0.16), cloth)
    house.bars(box.part(0.2, 0.05, 0.8, 0.11), chance.randint(5, 9), 1.3, WHITE)
    if awning:
        house.raised(box.part(-0.02, 0.17, 1.02, 0.42), cloth, "blind", 4)
        house.bars(box.part(-0.02, 0.17, 1.02, 0.42), box.width / 4, 2, WHITE)

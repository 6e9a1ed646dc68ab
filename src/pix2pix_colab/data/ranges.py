"""Ranges: the values of wide images, such as depth or CT, that are black and white, for a whole data set."""

import math
from collections.abc import Iterable

from ..utils.picture import Range
from .folders import PairFiles
from .pair_decoder import PairDecoder

SIDES = ("source", "target")


def check_range(name: str, values: Range | None) -> None:
    """Raise ValueError if the values are no range: two different numbers."""
    try:
        black, white = map(float, values or (0, 1))
        sound = black != white and math.isfinite(black) and math.isfinite(white)
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise ValueError(f"{name} is {values!r}, but it must be two different numbers, those of black and of white.")


def find_ranges(
    decoder: PairDecoder, files: Iterable[PairFiles]
) -> tuple[tuple[Range | None, Range | None], list[str]]:
    """Find one range for all sources and one for all targets of wide images, and say what was found.

    Whole numbers have that of their bits. None: images have 8 bits, or others, whose range can't be known.
    """
    found = ([], [])
    for pair in files:
        try:
            values = [picture.values() for picture in decoder.open_large(pair)]
        except ValueError:  # said when it is decoded
            continue
        for side in (0, 1):
            found[side].extend(filter(None, [values[side]]))
    ranges, said = list(decoder.ranges), []
    for side, name in enumerate(SIDES):
        if ranges[side] is not None or not found[side]:
            continue
        low, high = min(each.low for each in found[side]), max(each.high for each in found[side])
        bits = max(each.bits or math.inf for each in found[side])
        if bits == math.inf:
            option = f"{name}_range=({low:g}, {high:g}) (on the command line --{name}-range {low:g} {high:g})"
            said.append(
                f"The values of all {name}s go from {low:g} to {high:g}. Say which become black and white, in 8 bits: "
                f"{option}."
            )
            continue
        ranges[side] = (0, 2**bits - 1)
        if bits < 16:
            said.append(
                f"The {name}s hold whole numbers up to {high:,.0f}, so white is {2**bits - 1:,} ({bits} bits). If it "
                f"is not, say {name}_range=(black, white), on the command line --{name}-range."
            )
    return tuple(ranges), said

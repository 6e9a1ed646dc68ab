"""Ranges: the values of wide images, such as depth or CT, that are black and white, for a whole data set."""

import math
from collections.abc import Iterable

from ..utils.picture import Range
from .folders import PairFiles
from .pair_decoder import PairDecoder, map_in_threads

SIDES = ("source", "target")


def check_range(name: str, values: Range | None) -> None:
    """Raise ValueError if the values are no range: two different numbers."""
    try:
        black, white = map(float, (0, 1) if values is None else values)
        sound = black != white and math.isfinite(black) and math.isfinite(white)
    except (TypeError, ValueError):
        sound = False
    if not sound or isinstance(values, str):
        raise ValueError(f"{name} is {values!r}, but it must be two different numbers, those of black and of white.")


def find_ranges(
    decoder: PairDecoder, files: Iterable[PairFiles]
) -> tuple[tuple[Range | None, Range | None], list[str]]:
    """Find one range for all sources and one for all targets of wide images, and say what was found.

    Whole numbers have that of their bits. None: images have 8 bits, or others, whose range can't be known.
    """
    found = ([], [])
    for values in map_in_threads(decoder.values, files):
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
        blank = " (65,535 is taken for no value, and white)" if any(each.no_value for each in found[side]) else ""
        if bits < 16:
            said.append(
                f"The {name}s hold whole numbers up to {high:,.0f}{blank}, so white is {2**bits - 1:,} ({bits} bits). "
                f"If it is not, say {name}_range=(black, white), on the command line --{name}-range."
            )
    return tuple(ranges), said

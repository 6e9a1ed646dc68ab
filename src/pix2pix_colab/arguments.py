"""The command line's words for which pairs to read."""

from argparse import ArgumentParser, Namespace

from .datasets import DATASETS, open_dataset
from .pairs import Pairs, read_pairs


def add_pairs(parser: ArgumentParser) -> None:
    """Add the arguments that ``pairs_of`` reads."""
    parser.add_argument("pairs", help="a data set's name, a folder of pairs, a .zip or .tar file, a link to one")
    parser.add_argument("--targets", metavar="FOLDER", help="the second folder, if PAIRS holds the sources alone")
    parser.add_argument("--split", choices=("train", "val", "test"), help="needed where PAIRS has splits")
    parser.add_argument("--direction", choices=("AtoB", "BtoA"), help="the data set's own, else BtoA")
    parser.add_argument("--data", default="data", metavar="FOLDER", help="where downloads and archives are unpacked")
    parser.add_argument("--cache", metavar="FOLDER", help="for a memory-mapped copy; made by itself above 2 GiB")


def pairs_of(options: Namespace, size: int, source_channels: int = 3, target_channels: int = 3) -> Pairs:
    """The pairs that the arguments name, at ``size`` px. Raises as ``open_dataset`` and ``read_pairs`` do."""
    known = DATASETS.get(options.pairs)
    return read_pairs(
        open_dataset(options.pairs, options.data),
        size,
        options.direction or (known.direction if known else "BtoA"),
        options.split,
        targets=options.targets,
        source_channels=source_channels,
        target_channels=target_channels,
        cache=options.cache,
    )

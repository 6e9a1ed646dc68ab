"""Pairs of images: read from files, downloaded or synthetic, and cropped and mirrored as batches (notebook 1)."""

from .downloads import DATASETS, Dataset, download, known_dataset, open_dataset, unpack
from .downloads.fetch import Patience, fetch
from .folders import find_pairs
from .label_maps import LABEL_COLOURS, Colour, decode_label_maps, label_classes, nearest_classes
from .pair_files import read_pairs, write_pairs
from .pairs import JITTER_SIZE, Pairs, PairsRecord, jitter_size
from .streamed_pairs import StreamedPairs
from .synthetic import example_label_maps, synthetic_facades

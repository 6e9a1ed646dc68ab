"""Pairs of images: read from files, downloaded or synthetic, and cropped and mirrored as batches (notebook 1)."""

from .downloads.archives import unpack
from .downloads.datasets import download, known_dataset, open_dataset
from .downloads.fetch import Patience, fetch
from .downloads.registry import DATASETS, Dataset
from .folders import find_pairs
from .label_maps import LABEL_COLOURS, Colour, decode_label_maps, label_classes, nearest_classes
from .pair_files import read_pairs, write_pairs
from .pairs import JITTER_SIZE, Pairs, PairsRecord, jitter_size
from .streamed_pairs import StreamedPairs
from .synthetic.facades import example_label_maps, synthetic_facades

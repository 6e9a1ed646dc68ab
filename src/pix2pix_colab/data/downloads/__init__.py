"""Downloads of data sets from the network, Google Drive or an archive, checked and unpacked."""

from .archives import unpack
from .datasets import download, known_dataset, open_dataset
from .registry import DATASETS, Dataset

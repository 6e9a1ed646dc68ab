"""The paper's data sets that can be downloaded by name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

MIRRORS = (
    "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets",
    "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets",  # its certificate was out of order at times
    "http://people.eecs.berkeley.edu/~tinghuiz/projects/pix2pix/datasets",  # where they lived before
)


@dataclass(frozen=True)
class Dataset:
    """An archive ``NAME.tar.gz`` that holds a folder NAME with a folder of side-by-side pairs for each split."""

    name: str
    size: int  # bytes
    splits: Mapping[str, int]  # number of pairs
    direction: str  # the one that the paper trains; of "maps", which it trains in both, the one of its figure 1
    task: str = ""
    citation: str = ""
    licence: str = ""  # a hint at where to look, not the licence itself
    epochs: int = 200  # appendix 6.2 of the paper, as the batch size
    batch_size: int = 1
    tolerance: float = 0.0  # of the size, where only a rounded one is known

    @property
    def addresses(self) -> list[str]:
        """Addresses of the archive: below the base address PIX2PIX_MIRROR of the environment, if set, then MIRRORS."""
        bases = [base for base in (os.environ.get("PIX2PIX_MIRROR"), *MIRRORS) if base]
        return [f"{base.rstrip('/')}/{self.name}.tar.gz" for base in bases]

    def describe(self) -> dict[str, str]:
        """The data set in words, for a table."""
        return {
            "task": self.task,
            "direction": self.direction,
            "pairs": ", ".join(f"{split} {count:,}" for split, count in self.splits.items()),
            "bytes": f"about {self.size / 1e9:.1f} billion" if self.tolerance else f"{self.size:,}",
            "epochs": str(self.epochs),
            "batch": str(self.batch_size),
            "from": self.citation,
            "licence": self.licence,
        }


KNOWN = (
    Dataset(  # A the photo, B the label map
        name="facades",
        size=30_168_306,
        splits={"train": 400, "val": 100, "test": 106},
        direction="BtoA",
        task="labels → photo",
        citation="Tyleček and Šára, GCPR 2013",
        licence="see the CMP Facade Database; research use",
    ),
    Dataset(  # A the aerial photo, B the map
        name="maps",
        size=250_242_400,
        splits={"train": 1096, "val": 1098},
        direction="AtoB",
        task="aerial photo → map",
        citation="Isola et al., CVPR 2017",
        licence="images of Google Maps, see its terms; research use",
    ),
    Dataset(  # A the photo, B the label map; the authors' scripts no longer offer it, because of its licence
        name="cityscapes",
        size=103_441_232,
        splits={"train": 2975, "val": 500},
        direction="BtoA",
        task="labels → photo",
        citation="Cordts et al., CVPR 2016",
        licence="agree to the terms of cityscapes-dataset.com first; non-commercial research",
    ),
    Dataset(  # A the edges, B the photo
        name="edges2shoes",
        size=2 << 30,
        splits={"train": 49_825, "val": 200},
        direction="AtoB",
        task="edges → photo",
        citation="Yu and Grauman, CVPR 2014",
        licence="see UT Zappos50K; non-commercial research",
        epochs=15,
        batch_size=4,
        tolerance=0.05,
    ),
    Dataset(  # A the edges, B the photo
        name="edges2handbags",
        size=8 << 30,
        splits={"train": 138_567, "val": 200},
        direction="AtoB",
        task="edges → photo",
        citation="Zhu et al., ECCV 2016",
        licence="Amazon's product photos, see the iGAN project; research use",
        epochs=15,
        batch_size=4,
        tolerance=0.05,
    ),
    Dataset(  # A the night, B the day
        name="night2day",
        size=int(1.9 * 2**30),
        splits={"train": 17_823, "val": 10, "test": 2287},
        direction="BtoA",
        task="day → night",
        citation="Laffont et al., SIGGRAPH 2014",
        licence="see the Transient Attributes data set; research use",
        epochs=17,
        batch_size=4,
        tolerance=0.05,
    ),
)
DATASETS = {dataset.name: dataset for dataset in KNOWN}

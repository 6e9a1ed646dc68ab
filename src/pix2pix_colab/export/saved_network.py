"""What can be exported from a folder: a run's generator, or the λ path of several runs."""

from contextlib import suppress
from pathlib import Path

from ..generator import UNetGenerator
from ..lambda_path import LambdaPath
from ..training import read_lambda_path, read_run


def read_network(folder: str | Path) -> UNetGenerator | LambdaPath:
    """Read the generator of the run in a folder, or the λ path whose runs are in its subfolders.

    Raises:
        FileNotFoundError, ValueError: as ``read_run`` and ``read_sweep``, and ValueError for the runs of a sweep.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: name that of a run, or of the runs of a λ path.")
    with suppress(FileNotFoundError):  # no checkpoint, so its subfolders may have some
        return read_run(folder).load_generator()
    try:
        return read_lambda_path(folder)
    except ValueError as error:
        raise ValueError(f"{error} Or export one run, from its own folder in {folder}.") from error

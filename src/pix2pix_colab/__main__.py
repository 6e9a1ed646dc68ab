"""The command line: ``python -m pix2pix_colab sweep | path | evaluate | export``."""

import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from torch import distributed

from .data import DATASETS, Pairs, decode_label_maps, find_pairs, jitter_size, known_dataset, open_dataset, read_pairs
from .export import DEFAULT_WEIGHTS, WEIGHTS, OnnxMissingError, export_onnx, export_parts, read_network
from .loss import LAMBDAS, check_lambda
from .training import CaptureError, FolderInUseError, ProgressBar, TrainConfig, read_sweep, sweep, train_lambda_path
from .utils.device import default_device
from .utils.images import UNSEEN
from .utils.markdown import markdown_table

SETTINGS = (
    "width",
    "epochs",
    "batch_size",
    "image_size",
    "source_channels",
    "target_channels",
    "balanced_layers",
    "discriminator_shift",
)
RANGES = ("source_range", "target_range")
PRETRAINED = Path("runs/pretrained")
SWEEP = "Train one run for each λ, all else equal."
PATH = (
    "Train one run with λ = 100, the trunk, for all epochs; then go from λ to λ in both directions, with about a fifth "
    "of the epochs each (to L1 only twice as many), in which only the last layers of the generator learn."
)
RESUMED = (
    "A finished run is skipped and an interrupted one resumed. To spread the runs over N processes and all GPUs: "
    "torchrun --nproc_per_node=N -m pix2pix_colab"
)
# Errors with a sentence for the user
USER_ERRORS = (ValueError, OSError, MemoryError, FloatingPointError, CaptureError, FolderInUseError, OnnxMissingError)


class Parser(ArgumentParser):
    """Argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def make_parser() -> ArgumentParser:
    """The commands and their arguments."""
    parser = Parser(prog="python -m pix2pix_colab", description="Train, evaluate and export pix2pix for several λ.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_training(commands, "sweep", sweep, "train one run for each λ", SWEEP)
    _add_training(commands, "path", train_lambda_path, "train one run, and from it short ones for each λ", PATH)
    _add_evaluate(commands)
    _add_export(commands)
    return parser


def _add_training(commands, name: str, train_all: Callable, words: str, description: str) -> None:
    command = commands.add_parser(name, help=words, description=f"{description} {RESUMED} {name} PAIRS RUNS")
    command.set_defaults(run=run_training, train_all=train_all)
    _add_pairs(command)
    command.add_argument("runs", metavar="RUNS", type=Path, help="the folder for the runs, one subfolder for each λ")
    command.add_argument("--lambdas", type=float, nargs="+", default=LAMBDAS, metavar="λ", help="inf is L1 only")
    for name in SETTINGS:
        default = getattr(TrainConfig(), name)
        command.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default: {default}")
    words = "no crop is mirrored: for data in which left is not right, such as text or anatomy"
    command.add_argument("--no-mirror", dest="mirror", action="store_false", help=words)


def _add_evaluate(commands) -> None:
    words = (
        "Print all metrics of a sweep, or of the pretrained path, their differences, and the paper's claims. With the "
        "split test or val also the FCN score, by a segmentation network that is trained on the training split."
    )
    command = commands.add_parser("evaluate", help="print the metrics of a sweep or path", description=words)
    command.set_defaults(run=run_evaluate)
    _add_pairs(command)
    words = f"the folder of the runs; default: the pretrained path, its segmentation network in {PRETRAINED}"
    command.add_argument("runs", metavar="RUNS", type=Path, nargs="?", help=words)


def _add_export(commands) -> None:
    words = "Write a run's generator, or a λ path, as ONNX: a file that onnxruntime runs without PyTorch."
    command = commands.add_parser("export", help="write a generator or a λ path as ONNX", description=words)
    command.set_defaults(run=run_export)
    command.add_argument("network", metavar="RUN", type=Path, help="the folder of a run, or of all runs of a λ path")
    command.add_argument("file", metavar="FILE", type=Path, help="the .onnx file; with --parts a folder")
    words = f"how the weights of the convolutions are stored; default: {DEFAULT_WEIGHTS}"
    command.add_argument("--weights", choices=WEIGHTS, default=DEFAULT_WEIGHTS, help=words)
    words = "height and width of the images; default: those of the training"
    command.add_argument("--size", type=int, metavar="PX", help=words)
    command.add_argument("--seed", type=int, default=0, help="of the dropout masks; default: 0")
    words = "the early and the late layers of a λ path in a file each, so that λ can move without the early ones; and D"
    command.add_argument("--parts", action="store_true", help=words)


def _add_pairs(command: ArgumentParser) -> None:
    """The arguments that ``_read_pairs`` reads."""
    where = f"a data set ({', '.join(DATASETS)}), a folder of pairs, a .zip or .tar file, or a link to one"
    command.add_argument("pairs", metavar="PAIRS", help=where)
    command.add_argument("--targets", metavar="FOLDER", help="the folder of the targets, if PAIRS holds only sources")
    words = "default: train, and test to evaluate. If PAIRS has no splits, a random tenth is test; all is trained on"
    command.add_argument("--split", choices=("train", "val", "test", "all"), help=words)
    words = "default: the data set's own, else AtoB; to evaluate, that of the runs"
    command.add_argument("--direction", choices=("AtoB", "BtoA"), help=words)
    for name in RANGES:
        words = f"the values of the {name.partition('_')[0]}s that are black and white, if they aren't 8-bit images"
        option = f"--{name.replace('_', '-')}"
        command.add_argument(option, type=float, nargs=2, metavar=("BLACK", "WHITE"), help=words)
    words = "files side by side may be of any aspect; else each half is nearly square, up to 1.4 times as wide as high"
    command.add_argument("--any-aspect", action="store_true", help=words)
    words = "images are not turned as their EXIF data say"
    command.add_argument("--no-exif", dest="exif", action="store_false", help=words)
    command.add_argument("--data", default="data", metavar="FOLDER", help="for downloads and unpacked archives")


def _split(options: Namespace, usual: str, otherwise: str, words: str) -> str:
    """The split that is asked for; else the usual one or, with a warning, another one if PAIRS has no splits."""
    if options.split:
        return options.split
    if find_pairs(open_dataset(options.pairs, options.data), options.targets).pairs.keys() - {""}:
        return usual
    warnings.warn(f"{options.pairs} has no splits: {words}", stacklevel=2)
    return otherwise


def _read_pairs(options: Namespace, split: str, size: int, config: TrainConfig) -> Pairs:
    known = known_dataset(options.pairs, options.data)
    return read_pairs(
        open_dataset(options.pairs, options.data),
        size,
        options.direction or (known.direction if known else "AtoB"),
        None if split == "all" else split,
        targets=options.targets,
        source_channels=config.source_channels,
        target_channels=config.target_channels,
        any_aspect=options.any_aspect,
        exif=options.exif,
        **{name: given and tuple(given) for name in RANGES for given in [getattr(options, name)]},
    )


def run_training(options: Namespace) -> None:
    """Train a sweep or a path; under torchrun, this process's share of it."""
    config = TrainConfig(**{name: getattr(options, name) for name in (*SETTINGS, "mirror")})
    for lambda_l1 in options.lambdas:  # before gigabytes are downloaded
        check_lambda(lambda_l1)
    words = "all pairs are trained on, and none are left to evaluate. --split train leaves a random tenth for that."
    split = _split(options, "train", "all", words)
    pairs = _read_pairs(options, split, jitter_size(config.image_size), config)
    if distributed.is_torchelastic_launched():
        distributed.init_process_group("gloo", timeout=timedelta(days=30))  # how long one process may wait for others
    bar = ProgressBar(distributed.get_rank() if distributed.is_initialized() else 0)
    try:
        options.train_all(pairs, options.lambdas, config, options.runs, bar)
    finally:
        bar.close()
    if distributed.is_initialized():
        distributed.destroy_process_group()


def run_evaluate(options: Namespace) -> None:
    """Print the tables of a sweep, or of the pretrained path."""
    from . import evaluation  # here: a sweep needs no torchmetrics, which imports slowly

    runs, device, asked = read_sweep(options.runs) if options.runs else {}, default_device(), options.direction
    evaluation.check_comparable(runs, options.runs)
    config = next(iter(runs.values())).config if runs else TrainConfig()  # size and channels of the pairs
    options.direction = asked or next(filter(None, (run.identity.pairs.direction for run in runs.values())), None)
    if runs and not options.direction and not known_dataset(options.pairs, options.data):
        words = "the pairs are read AtoB. If they were trained the other way round, add --direction BtoA."
        warnings.warn(f"The runs in {options.runs} don't say their direction: {words}", stacklevel=2)
    seen = next((run.identity.pairs.seen for run in runs.values()), UNSEEN)
    options.source_range = options.source_range or seen.range
    options.target_range, options.exif = options.target_range or seen.target_range, options.exif and seen.exif
    words = "the random tenth is measured that --split train leaves out. --split all measures all."
    split = _split(options, "test", "test", words)
    pairs, train_pairs = _read_pairs(options, split, config.image_size, config)[:].to(device), None  # in memory
    if runs and pairs.direction not in {run.identity.pairs.direction or pairs.direction for run in runs.values()}:
        raise ValueError(f"--direction {asked} is the reverse of that of the runs in {options.runs}: leave it out.")
    if not runs:
        _check_label_maps(pairs)
    elif split != "train":
        with warnings.catch_warnings(action="ignore"):  # what was left out was told before
            known = evaluation.count_trained_on(runs, lambda size: _read_pairs(options, split, size, config))
        if known:
            words = f"Of the {len(pairs)} pairs that are measured, {known} are training pairs of the runs in"
            warnings.warn(f"{words} {options.runs}. They do better on those.", stacklevel=2)
    if split in ("val", "test"):
        with suppress(ValueError):  # no label maps, so no need to read 50,000 training pairs; or no training split
            decode_label_maps(pairs.source[:1])
            train_pairs = _read_pairs(options, "train", jitter_size(config.image_size), config)
    outputs = evaluation.translate_by_runs(runs, pairs.source, device)
    report = evaluation.evaluate(outputs, pairs, train_pairs, options.runs or PRETRAINED, device)
    print(report.table(), *filter(None, map(report.difference_table, report.measured)), sep="\n\n")
    if claims := report.claims():
        print(f"\n{markdown_table(claims)}")


def _check_label_maps(pairs: Pairs) -> None:
    """Raise ValueError if the sources are not what the pretrained path takes."""
    try:
        decode_label_maps(pairs.source)
    except ValueError as error:
        words = f"They were read {pairs.direction}: try the other --direction, or give the RUNS of your own networks."
        raise ValueError(f"{error} The pretrained path takes no others. {words}") from error


def run_export(options: Namespace) -> None:
    """Write a run's generator, or a λ path, as ONNX."""
    export = export_parts if options.parts else export_onnx
    written = export(read_network(options.network), options.file, options.size, options.seed, options.weights)
    for file in written if options.parts else [written]:
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Exit with 2 and one line for an error that the user can correct, with 130 for Ctrl-C."""
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except USER_ERRORS as error:
        sentence = isinstance(error, OSError) and not error.filename and error.strerror  # without "[Errno 28]"
        print(f"error: {sentence or error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        print(interrupt, file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    main()

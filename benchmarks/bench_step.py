"""Time of a training step, ours against the baseline's. Run: python benchmarks/bench_step.py [--help]

All train the same networks on the same pairs, turn by turn. The baseline's step is eager, in float32 as torch has it
(on newer GPUs that is TF32 in convolutions), with default (non-fused) Adam, pairs decoded by two workers, and the
losses read after every step. Ours is the one that ``train`` takes, with pairs in memory, or streamed from their files.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from bench_data import BaselinePairs, endless, folder_of_pairs, stream_pairs
from step_cost import GPUS, count, describe, estimate, estimate_trainings, shares, short
from torch import Tensor
from torch.utils.data import DataLoader

from pix2pix_colab.data import read_pairs
from pix2pix_colab.discriminator import PatchDiscriminator
from pix2pix_colab.generator import UNetGenerator
from pix2pix_colab.training import TrainConfig, Training
from pix2pix_colab.training.cuda_graph import WARM_UP
from pix2pix_colab.utils.device import default_device, fast_cudnn

DEVICE = default_device()
ON_GPU = DEVICE.type == "cuda"
LOG_EVERY = 20  # steps, as in train


class Baseline:
    """The step of section 3.3 as it is usually written."""

    cudnn = nullcontext  # as torch sets it

    def __init__(self, folder: Path, width: int, batch: int):
        self.generator, self.discriminator = UNetGenerator(width).to(DEVICE), PatchDiscriminator(width).to(DEVICE)
        self.adam_g = torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.999))
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.999))
        data = BaselinePairs(folder)
        self.batches = iter(DataLoader(data, batch, sampler=endless(data), num_workers=2, persistent_workers=True))

    def step(self) -> tuple[float, float, float]:
        source, target = (images.to(DEVICE) for images in next(self.batches))
        output = self.generator(source)
        self.adam_d.zero_grad()
        fake, real = self.discriminator(source, output.detach()), self.discriminator(source, target)
        d_loss = (_bce(fake, 0) + _bce(real, 1)) / 2
        d_loss.backward()
        self.adam_d.step()
        self.discriminator.requires_grad_(False)
        self.adam_g.zero_grad()
        adversarial, l1 = _bce(self.discriminator(source, output), 1), F.l1_loss(output, target)
        (adversarial + 100 * l1).backward()
        self.adam_g.step()
        self.discriminator.requires_grad_(True)
        return d_loss.item(), adversarial.item(), l1.item()


def _bce(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


class Ours:
    """The step of ``train``, without checkpoints."""

    cudnn = staticmethod(fast_cudnn)
    read = staticmethod(read_pairs)

    def __init__(self, folder: Path, width: int, batch: int):
        pairs = self.read(folder)
        pairs = self.read(folder, limit=len(pairs) // batch * batch)  # no smaller batch: the baseline's side has none
        self.training = Training(pairs, TrainConfig(width=width, batch_size=batch), DEVICE)

    def step(self) -> None:
        self.training.advance()
        if self.training.steps_done % LOG_EVERY == 0:
            self.training.log()


class Streamed(Ours):
    """The same step on pairs that are decoded ahead."""

    read = staticmethod(stream_pairs)


SIDES = {"baseline": Baseline, "ours": Ours, "ours, streamed": Streamed}


def build(name: str, options: argparse.Namespace) -> Baseline | Ours:
    """Build one side and warm it up."""
    side = SIDES[name](options.folder, options.width, options.batch)
    timed(side, WARM_UP + 7 if ON_GPU else 2)  # ours records its graph after WARM_UP steps
    return side


def timed(side: Baseline | Ours, steps: int) -> float:
    """Seconds a step."""
    with side.cudnn():
        _wait()
        start = time.perf_counter()
        for _ in range(steps):
            side.step()
        _wait()
        return (time.perf_counter() - start) / steps


def _wait() -> None:
    if ON_GPU:
        torch.cuda.synchronize(DEVICE)


def peak_memory(name: str, options: argparse.Namespace) -> float:
    """Peak in MiB of one side in a process of its own: of the GPU, or of the process without its workers."""
    command = [sys.executable, __file__, "--memory-of", name, "--folder", str(options.folder)]
    command += ["--width", str(options.width), "--batch", str(options.batch)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()[-1])


def print_own_peak(options: argparse.Namespace) -> None:
    """Take a few steps in that process, and print the peak in MiB."""
    timed(build(options.memory_of, options), 3)
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(torch.cuda.max_memory_allocated(DEVICE) / 2**20 if ON_GPU else kib / 2**10)


def best_time(run: Callable[[], object], repeats: int = 10) -> float:
    """Seconds of the fastest of some runs, after two to warm up."""
    times = []
    for _ in range(repeats + 2):
        _wait()
        start = time.perf_counter()
        run()
        _wait()
        times.append(time.perf_counter() - start)
    return min(times[2:])


def peak_rates(dtype: torch.dtype) -> tuple[float, float]:
    """What this machine reaches: FLOP/s in a large matrix product of this dtype, bytes/s through a large tensor."""
    side, size = (8192, 2**30) if ON_GPU else (2048, 2**28)  # bytes, more than any cache holds
    a, b = torch.randn(2, side, side, device=DEVICE).to(dtype)
    flops = 2 * side**3 / best_time(lambda: torch.mm(a, b))
    full, empty = torch.ones(2, size // 4, device=DEVICE)
    # A CPU reads what a copy is going to overwrite, unasked; in place, as Adam works, nothing is moved in vain.
    seconds = min(best_time(lambda: empty.copy_(full)), best_time(lambda: full.neg_()))
    return flops, 2 * size / seconds  # read once, written once


def roofline(training: Training, seconds: float) -> str:
    """The least time a step could take here: its products at the machine's rate, its traffic at its bandwidth."""
    (flops, moved), (flop_rate, bandwidth) = count(training, training.dtype), peak_rates(training.dtype)
    ideal = flops / flop_rate + moved.total() / bandwidth
    return (
        f"Roofline: {flops / 1e9:.1f} GFLOP at {flop_rate / 1e12:.3g} TFLOP/s (measured, {short(training.dtype)}) "
        f"+ {describe(moved)} at {bandwidth / 1e9:.3g} GB/s (measured) = {ideal * 1e3:.3g} ms a step. "
        f"Ours is {seconds / ideal:.2f} times the roofline."
    )


def machine() -> str:
    """The GPU's name, or the CPU's and how many cores this process may use."""
    if ON_GPU:
        return torch.cuda.get_device_name(DEVICE)
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{models[0] if models else platform.processor()}, {cores} cores"


def bench(options: argparse.Namespace) -> None:
    # The memory first: ru_maxrss, on Linux, starts from what the parent process has when it starts the child.
    memory = {name: peak_memory(name, options) for name in SIDES}
    sides, times = {name: build(name, options) for name in SIDES}, {name: [] for name in SIDES}
    for i in range(options.rounds):
        for name in list(SIDES)[:: 1 if i % 2 else -1]:  # each goes first in every other round
            times[name].append(timed(sides[name], options.steps))
    training, seconds = sides["ours"].training, {name: statistics.median(times[name]) for name in SIDES}
    ratio = statistics.median(a / b for a, b in zip(times["baseline"], times["ours"], strict=True))
    print(f"{machine()}; torch {torch.__version__}; width {options.width}, 256 px, batch {options.batch}; ", end="")
    print(f"median of {options.rounds} rounds of {options.steps} steps\n")
    print("| step | precision | ms | peak memory, MiB |\n|---|---|---|---|")
    for name, dtype in zip(SIDES, (torch.float32, training.dtype, training.dtype), strict=True):
        print(f"| {name} | {short(dtype)} | {seconds[name] * 1e3:,.4g} | {memory[name]:,.0f} |")
    slower = statistics.median(a / b for a, b in zip(times["ours, streamed"], times["ours"], strict=True))
    print(f"\nOurs is {ratio:.2f} times as fast as the baseline's step (median of the rounds' ratios).")
    print(f"Streamed, it takes {slower:.2f} times as long as in memory.")
    print(roofline(training, seconds["ours"]))
    if not ON_GPU:
        print(shares(training, count(training, training.dtype)[0]))
    print(*(estimate(training, gpu) for gpu in GPUS), sep="\n")

    def make(**settings: float) -> Training:
        return Training(training.pairs, replace(training.config, **settings), DEVICE)

    print(*(estimate_trainings(make, gpu) for gpu in GPUS), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50 if ON_GPU else 4, help="a round, of each side")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="of side-by-side pairs; without it, 100 synthetic facades")
    parser.add_argument("--memory-of", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()

    with folder_of_pairs(options.folder) as options.folder:
        print_own_peak(options) if options.memory_of else bench(options)


if __name__ == "__main__":
    main()

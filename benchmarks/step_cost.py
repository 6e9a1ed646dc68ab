"""Cost of a training step: the FLOP of its products, the bytes of its operators, and what that takes on other GPUs."""

import math
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from pix2pix_colab.training import Training
from pix2pix_colab.training.lambda_path import LATE_LAYERS, LEG
from pix2pix_colab.utils.device import fast_cudnn

GPUS = {"T4": (320e9, 65e12, torch.float16), "H200": (4.8e12, 989e12, torch.bfloat16)}  # data sheets: bytes/s, FLOP/s
KINDS = {  # of steps, with their settings
    "step": {},
    "L1 only": {"lambda_l1": math.inf},
    "leg": {"late_layers": LATE_LAYERS},
    "leg to L1 only": {"lambda_l1": math.inf, "late_layers": LATE_LAYERS},
}
TRAININGS = {"six λ": {"step": 5, "L1 only": 1}, "the λ path": {"step": 1, "leg": 4 * LEG, "leg to L1 only": 2 * LEG}}
BANDWIDTH, TENSOR_CORES = 0.75, (0.15, 0.25)  # shares of those that a step at batch size 1 may reach: assumptions


class Traffic(TorchDispatchMode):
    """Bytes that the operators of a step read and write, if nothing stays in a cache: ``moved``, by operator."""

    def __init__(self):
        super().__init__()
        self.moved = Counter()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs, schema = kwargs or {}, operator._schema
        results = operator(*args, **kwargs)
        name, returned = operator.overloadpacket.__name__, [each.alias_info for each in schema.returns]
        if "empty" not in name and not any(alias and not alias.is_write for alias in returned):  # no view
            written = [arg for arg, told in zip(args, schema.arguments, strict=False) if told.is_write]
            if name == "_fused_adam_" and kwargs.get("grad_scale") is None:
                del written[1]  # the gradients
            made = [] if any(returned) else results
            self.moved[name] += sum(map(_size, ((args, kwargs), written, made)))
        return results


def _size(tensors: object) -> int:
    return sum(each.nbytes for each in tree_leaves(tensors) if isinstance(each, Tensor))


def count(training: Training, dtype: torch.dtype) -> tuple[int, Counter]:
    """FLOP of a step's products, and bytes of its operators, in a precision; in fp16 with the scaler's."""
    training.dtype, usual = dtype, training.dtype
    batch, fp16 = training.next_batch(), dtype == torch.float16
    scalers = training.scaler, training.scaler_d
    training.scaler, training.scaler_d = (torch.amp.GradScaler(training.device.type, enabled=fp16) for _ in range(2))
    with FlopCounterMode(display=False) as counter, Traffic() as traffic, fast_cudnn():
        training.step(*batch)
    training.dtype, (training.scaler, training.scaler_d) = usual, scalers
    return counter.get_total_flops(), traffic.moved


def describe(moved: Counter) -> str:
    """The bytes of a step in words."""
    adam, casts = moved["_fused_adam_"] / 1e9, moved["_to_copy"] / 1e9
    scaler = moved["_amp_foreach_non_finite_check_and_unscale_"] / 1e9
    return f"{moved.total() / 1e9:.2f} GB (Adam {adam:.2f}, the scaler {scaler:.2f}, casts {casts:.2f})"


def times(flops: int, moved: Counter, gpu: str) -> list[float]:
    """Estimates of a step on a GPU that isn't here, in ms, without gaps between kernels: the longest, the shortest."""
    bandwidth, rate, _ = GPUS[gpu]
    return [1e3 * (moved.total() / (BANDWIDTH * bandwidth) + flops / (share * rate)) for share in TENSOR_CORES]


def estimate(training: Training, gpu: str) -> str:
    """Estimate of a step's time on a GPU that isn't here, and where it comes from."""
    bandwidth, rate, dtype = GPUS[gpu]
    flops, moved = count(training, dtype)
    slow, fast = times(flops, moved, gpu)
    return (
        f"Estimate for {gpu} ({short(dtype)}): {describe(moved)} at {BANDWIDTH:.0%} of {bandwidth / 1e9:,.0f} GB/s + "
        f"{flops / 1e9:.1f} GFLOP at {TENSOR_CORES[0]:.0%} to {TENSOR_CORES[1]:.0%} of {rate / 1e12:.0f} TFLOP/s = "
        f"{fast:.3g} to {slow:.3g} ms a step."
    )


def estimate_trainings(make: Callable[..., Training], gpu: str, steps: int = 10_000) -> str:
    """Estimates of whole trainings on a GPU that isn't here: 10,000 steps are those of the preset ``standard``."""
    trainings = {kind: make(**settings) for kind, settings in KINDS.items()}
    for training in trainings.values():
        training.advance()  # it makes the state of Adam
    kinds = {kind: times(*count(training, GPUS[gpu][2]), gpu) for kind, training in trainings.items()}
    parts = [f"{kind} {fast:.3g} to {slow:.3g} ms" for kind, (slow, fast) in kinds.items()]
    for name, shares_of in TRAININGS.items():
        slow, fast = (sum(n * kinds[kind][i] for kind, n in shares_of.items()) * steps / 60e3 for i in (0, 1))
        parts.append(f"{name} {fast:.1f} to {slow:.1f} minutes")
    return f"Estimate for {gpu}, {steps:,} steps: {'; '.join(parts)}."


def shares(training: Training, flops: int, steps: int = 8) -> str:
    """Where the time of a step goes on a CPU, by torch.profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen, fast_cudnn():
        for _ in range(steps):
            training.advance()
    kinds = {"conv": "convolutions", "copy": "casts", "_fused_adam_": "Adam"}
    times = Counter()
    for each in seen.key_averages():
        kind = next((words for part, words in kinds.items() if part in each.key), "the rest")
        times[kind] += each.self_cpu_time_total / 1e6 / steps  # s
    parts = ", ".join(f"{kind} {times[kind] / times.total():.0%}" for kind in (*kinds.values(), "the rest"))
    return f"Of ours: {parts}. The convolutions run at {flops / times['convolutions'] / 1e12:.2g} TFLOP/s."


def short(dtype: torch.dtype) -> str:
    """Name of a precision."""
    return str(dtype).removeprefix("torch.")

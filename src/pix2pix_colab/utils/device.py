"""Device, precision, random state and memory errors of PyTorch."""

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU. Under torchrun the processes are spread over all GPUs."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())


def autocast_dtype(device: torch.device) -> torch.dtype:
    """The fastest safe precision: fp16 on a T4, bf16 on newer GPUs and on CPUs that support it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    capabilities = torch.cpu.get_capabilities()
    has_bf16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if has_bf16 else torch.float32


def describe_device(device: torch.device) -> str:
    """Name, memory and precision of a device, such as "Tesla T4, 15.8 GB, float16"."""
    dtype = str(autocast_dtype(device)).removeprefix("torch.")
    if device.type != "cuda":
        return f"CPU, {dtype}"
    properties = torch.cuda.get_device_properties(device)
    return f"{properties.name}, {properties.total_memory / 1e9:.1f} GB, {dtype}"


def fast_cudnn() -> AbstractContextManager:
    """Context in which cuDNN picks its fastest algorithms, or deterministic ones if torch is set to use those."""
    return exact_cudnn(torch.are_deterministic_algorithms_enabled())


@contextmanager
def exact_cudnn(deterministic: bool = True) -> Iterator[None]:
    """Context in which cuDNN takes deterministic algorithms: the same image gives the same output, to the bit.

    TF32 stays the user's, whichever of torch's two ways it was set by.
    """
    cudnn = torch.backends.cudnn  # cudnn.flags would read allow_tf32, which torch refuses after the newer way
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = not deterministic, deterministic
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before


def fork_rng(device: torch.device | str) -> AbstractContextManager:
    """Context that restores the random state of the CPU and of ``device`` at its end."""
    device = torch.device(device)
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


@contextmanager
def explain_out_of_memory(advice: Callable[[], str]) -> Iterator[None]:
    """Context in which running out of memory, on the GPU or the machine, raises MemoryError with ``advice``.

    What the failed calls held is freed: a notebook keeps the error, and with it their frames.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text:
            clear_frames(error)
            raise MemoryError(advice()) from error
        raise


def clear_frames(error: BaseException) -> None:
    """Free what the calls held that an error, and those that caused it, came through."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__

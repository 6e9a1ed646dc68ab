"""A training step as one CUDA graph."""

import os
from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # steps that run as they are: in these cuDNN picks its algorithms and Adam makes its state


class CapturedStep:
    """A step on a GPU, recorded once and then replayed: hundreds of kernels for one call from Python.

    At batch size 1 the kernels are short, and launching them one by one would leave the GPU waiting. The numbers are
    those of the step itself. A smaller batch, which the last of an epoch may be, runs as it is.

    Args:
        device: the GPU. The environment's PIX2PIX_CUDA_GRAPH=0 turns the recording off.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.warm_up = WARM_UP
        self.shape = torch.Size()  # of the largest batch in the warm-up
        self.graph: torch.cuda.CUDAGraph | None = None
        self.enabled = os.environ.get("PIX2PIX_CUDA_GRAPH") != "0"

    def __call__(self, step: Callable[[Tensor, Tensor], Tensor], source: Tensor, target: Tensor) -> Tensor:
        """Take ``step``, always the same one. It must not wait for the GPU, nor keep tensors but in place."""
        if not self.enabled:
            return step(source, target)
        if self.warm_up:
            self.warm_up -= 1
            self.shape = max(self.shape, source.shape)
            return self._run_aside(step, source, target)
        if source.shape != self.shape:
            return self._run_aside(step, source, target)
        if self.graph is None:
            self._capture(step, source, target)
        self.source.copy_(source)
        self.target.copy_(target)
        self.graph.replay()
        return self.losses.clone()  # the next replay overwrites them

    def _run_aside(self, step: Callable, source: Tensor, target: Tensor) -> Tensor:
        """The step itself, on a stream of its own, as a recording needs the steps before it to be."""
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            losses = step(source, target)
        torch.cuda.current_stream(self.device).wait_stream(self.stream)
        return losses

    def _capture(self, step: Callable, source: Tensor, target: Tensor) -> None:
        """Record a step; nothing is computed yet."""
        self.source, self.target = source.clone(), target.clone()
        self.graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(self.device), torch.cuda.graph(self.graph, stream=self.stream):
                self.losses = step(self.source, self.target)
        except RuntimeError as error:
            raise RuntimeError(
                f"The training step can't be recorded as a CUDA graph ({error}). Restart Python (in Colab, Runtime "
                "> Restart session), set PIX2PIX_CUDA_GRAPH=0 in the environment and run again, somewhat slower."
            ) from error

"""CUDA graph of a training step."""

import os
from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # eager steps, in which cuDNN picks its algorithms and Adam initialises its state


class CapturedStep:
    """CUDA graph of a step: captured once, then replayed, hundreds of kernels for one call from Python.

    At batch size 1 the kernels are short, and launching them one by one would leave the GPU waiting. The results are
    those of the eager step. A smaller batch, such as the last of an epoch, runs eagerly.

    Args:
        device: the GPU. The environment variable PIX2PIX_CUDA_GRAPH=0 turns the graph off.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.warm_up = WARM_UP
        self.shape = torch.Size()  # of the largest batch during the warm-up
        self.graph: torch.cuda.CUDAGraph | None = None
        self.enabled = os.environ.get("PIX2PIX_CUDA_GRAPH") != "0"

    def __call__(self, step: Callable[[Tensor, Tensor], Tensor], source: Tensor, target: Tensor) -> Tensor:
        """Run ``step``, the same in every call. It must not wait for the GPU, and must update its tensors in place."""
        if not self.enabled:
            return step(source, target)
        if self.warm_up:
            self.warm_up -= 1
            self.shape = max(self.shape, source.shape)
            return self._run_eagerly(step, source, target)
        if source.shape != self.shape:
            return self._run_eagerly(step, source, target)
        if self.graph is None:
            self._capture(step, source, target)
        self.source.copy_(source)
        self.target.copy_(target)
        self.graph.replay()
        return self.losses.clone()  # the next replay overwrites them

    def _run_eagerly(self, step: Callable, source: Tensor, target: Tensor) -> Tensor:
        """Run the step on a side stream, as a capture requires of the steps before it."""
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            losses = step(source, target)
        torch.cuda.current_stream(self.device).wait_stream(self.stream)
        return losses

    def _capture(self, step: Callable, source: Tensor, target: Tensor) -> None:
        """Capture a step, without computing anything."""
        self.source, self.target = source.clone(), target.clone()
        self.graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(self.device), torch.cuda.graph(self.graph, stream=self.stream):
                self.losses = step(self.source, self.target)
        except RuntimeError as error:
            raise RuntimeError(
                f"The training step can't be captured as a CUDA graph ({error}). Restart Python (in Colab, Runtime "
                "> Restart session), set PIX2PIX_CUDA_GRAPH=0 in the environment and run again, somewhat slower."
            ) from error

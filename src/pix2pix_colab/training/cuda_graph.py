"""CUDA graph of a training step."""

import os
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from ..utils.device import clear_frames

WARM_UP = 3  # eager steps, in which cuDNN picks its algorithms and Adam initialises its state


class CaptureError(RuntimeError):
    """A GPU refused to capture the training step, and after that to run it."""


class CapturedStep:
    """CUDA graph of a step: captured once, then replayed, hundreds of kernels for one call from Python.

    At batch size 1 the kernels are short, and launching them one by one would leave the GPU waiting. The results are
    those of the eager step. A smaller batch, such as the last of an epoch, runs eagerly. The environment variable
    PIX2PIX_CUDA_GRAPH=0 turns the graph off.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.warm_up = WARM_UP
        self.shape = torch.Size()  # of the largest batch during the warm-up
        self.graph: torch.cuda.CUDAGraph | None = None
        self.enabled = os.environ.get("PIX2PIX_CUDA_GRAPH") != "0"

    def __call__(self, step: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """Run ``step``, the same in every call, on tensors whose first is a batch of images.

        It must not wait for the GPU, and must update its tensors in place.
        """
        if not self.enabled:
            return step(*inputs)
        shape = inputs[0].shape
        if self.warm_up:
            self.warm_up -= 1
            self.shape = max(self.shape, shape)
            return self._run_eagerly(step, *inputs)
        if shape != self.shape:
            return self._run_eagerly(step, *inputs)
        if self.graph is None:
            refusal = ""
            try:
                self._capture(step, *inputs)
            except RuntimeError as error:
                refusal = str(error) or type(error).__name__
                clear_frames(error)  # it may be memory that is lacking
            if refusal:
                return self._go_on(refusal, step, *inputs)
        for ours, given in zip(self.inputs, inputs, strict=True):
            ours.copy_(given)
        self.graph.replay()
        return self.losses.clone()  # the next replay overwrites them

    def _run_eagerly(self, step: Callable, *inputs: Tensor) -> Tensor:
        """Run the step on a side stream, as a capture requires of the steps before it."""
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            losses = step(*inputs)
        torch.cuda.current_stream(self.device).wait_stream(self.stream)
        return losses

    def _capture(self, step: Callable, *inputs: Tensor) -> None:
        """Capture a step, without computing anything."""
        self.inputs = [each.clone() for each in inputs]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device), torch.cuda.graph(graph, stream=self.stream):
            self.losses = step(*self.inputs)
        self.graph = graph

    def _go_on(self, refusal: str, step: Callable, *inputs: Tensor) -> Tensor:
        """Run this step and all that follow eagerly, with a warning. CaptureError if that is refused, too."""
        self.enabled, self.inputs = False, []
        why = f"The training step can't be captured as a CUDA graph ({refusal})"
        off = "set PIX2PIX_CUDA_GRAPH=0 in the environment"
        try:
            losses = self._run_eagerly(step, *inputs)
        except RuntimeError as error:
            restart = "restart Python (in Colab, Runtime > Restart session)"
            raise CaptureError(f"{why}, nor run after that ({error}): {restart}, {off} and resume.") from error
        warnings.warn(f"{why}: it goes on without one, somewhat slower. To try none, {off}.", stacklevel=4)
        return losses

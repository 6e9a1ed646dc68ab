"""A GPU that computes nothing: tensors on it have shape, dtype, device and strides; those of the CPU are computed.

With it Python code for a GPU runs on a machine without one, if torch is built with CUDA. It finds tensors of two
devices in one operator, wrong dtypes, shapes and strides, and what a CUDA graph forbids: waiting for the GPU, copies
from or to the CPU. It can't find wrong values, failing kernels, or too little memory. What is read from it is zeros.
"""

import contextlib
import itertools
from collections import Counter
from unittest import mock

import pytest
import torch
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

ON_CUDA_BUILDS = pytest.mark.skipif(not torch.backends.cuda.is_built(), reason="This torch is built without CUDA.")
SCALER_KERNELS = {"_amp_foreach_non_finite_check_and_unscale_", "_amp_update_scale_"}
READS = {"_local_scalar_dense", "is_nonzero", "equal"}


class FakeGpu(TorchDispatchMode):
    """Context in which "cuda" is such a GPU. Capability (7, 5) is a T4's, (9, 0) an H200's.

    It counts captures and replays of graphs, waits by operator, and copies from and to the CPU, and to pinned memory,
    by dtype.
    """

    def __init__(self, capability: tuple[int, int] = (7, 5)):
        super().__init__()
        self.capability, self.fake = capability, FakeTensorMode(allow_non_fake_inputs=True)
        self.capturing, self.captures, self.replays = False, 0, 0
        self.waits, self.copies = Counter(), Counter()
        self.random_state = torch.zeros(16, dtype=torch.uint8)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, function.overloadpacket.__name__
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        device = torch.device(kwargs.get("device") or "cpu").type
        if device == "cpu" and all(each.device.type == "cpu" for each in tensors):
            return function(*args, **kwargs)
        generator = kwargs.get("generator")
        assert generator is None or generator.device.type == "cuda", f"{name} takes a generator of the CPU on the GPU"
        if name in READS:
            self._wait(name)
            return name != "_local_scalar_dense" or args[0].dtype == torch.bool or 0
        if name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1]):
            self._wait(name)
            return args[0].clone()  # truth is true: all rows
        if name == "_to_copy" and "device" in kwargs and tensors[0].device.type != device:
            self._copy(tensors[0], device, kwargs.get("non_blocking"))
            if device == "cpu":
                return zeros(tensors[0], kwargs.get("dtype"))
        if name == "copy_" and tensors[0].device.type != tensors[1].device.type:
            self._copy(tensors[1], tensors[0].device.type, args[2:] == (True,))
            if tensors[0].device.type == "cpu":
                return args[0].zero_()
        if name == "_fused_adam_":  # it and the next two have no fake form
            return check_fused_adam(args, kwargs, self.capturing)
        if name in SCALER_KERNELS:
            assert all(each.device.type == "cuda" for each in tensors), f"{name} takes tensors of the GPU"
            return args[0] if name == "_amp_update_scale_" else None
        if name in ("cat", "stack"):  # elsewhere a number on the CPU is taken
            assert all(each.device.type == "cuda" for each in tensors), f"{name} takes tensors of two devices"
        with self.fake:
            return function(*args, **kwargs)

    def _wait(self, what: str) -> None:
        assert not self.capturing, f"{what} waits for the GPU in a capture"
        self.waits[what] += 1

    def _copy(self, tensor: torch.Tensor, device: str, non_blocking: bool) -> None:
        assert not self.capturing, f"A copy from {tensor.device.type} to {device} in a capture"
        if not non_blocking:
            self._wait("copy")
        self.copies[f"to {device} {tensor.dtype}"] += 1

    def _backward(self, loss: torch.Tensor, *args, **kwargs) -> None:
        if not isinstance(loss, FakeTensor):
            return self._cpu_backward(loss, *args, **kwargs)
        with torch.no_grad():
            run_backward(loss.grad_fn, torch.ones_like(loss))

    def _to(self, module: torch.nn.Module, device: torch.device | str, **options) -> torch.nn.Module:
        """``module.to(device)``, which for a fake parameter that is there already would make another one."""
        there = all(each.device.type == torch.device(device).type for each in module.state_dict().values())
        return module if there and "memory_format" not in options else self._module_to(module, device, **options)

    @contextlib.contextmanager
    def _graph(self, graph: object, stream: object = None):
        self.capturing = True
        try:
            yield
            self.captures += 1
        finally:
            self.capturing = False

    def _replay(self) -> None:
        self.replays += 1

    def _pin(self, tensor: torch.Tensor) -> torch.Tensor:
        self.copies[f"pinned {tensor.dtype}"] += 1
        return tensor

    def _driver(self) -> dict:
        """What torch.cuda asks a driver for."""
        nothing, main = lambda *_, **__: None, mock.Mock()
        return {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "current_device": lambda: 0,
            "get_device_capability": lambda device=None: self.capability,
            "is_bf16_supported": lambda *_, **__: self.capability >= (8, 0),
            "is_current_stream_capturing": lambda: self.capturing,
            "synchronize": lambda device=None: self._wait("synchronize"),
            "get_rng_state": lambda device=None: self.random_state.clone(),
            "set_rng_state": lambda state, device=None: setattr(self, "random_state", state.clone()),
            **dict.fromkeys(("empty_cache", "manual_seed", "manual_seed_all", "_lazy_init"), nothing),
            "Stream": lambda device=None: mock.Mock(),
            "current_stream": lambda device=None: main,
            **dict.fromkeys(("stream", "device"), lambda *_: contextlib.nullcontext()),
            "CUDAGraph": lambda: mock.Mock(replay=self._replay),
            "graph": self._graph,
        }

    def __enter__(self):
        self._patches = contextlib.ExitStack()
        patch = self._patches.enter_context
        torch._C._ensureCUDADeviceGuardSet()
        self._cpu_backward, self._module_to, save = torch.Tensor.backward, torch.nn.Module.to, torch.save
        patch(mock.patch.multiple(torch.cuda, **self._driver()))
        patch(mock.patch.object(fake_tensor, "init_gpu_context", lambda device: None))
        patch(mock.patch.object(FakeTensorMode, "avoid_device_init", True))
        for module in (torch.amp.autocast_mode, torch.amp.grad_scaler, torch.cuda.amp.common):
            patch(mock.patch.object(module, "amp_definitely_not_available", lambda: False, create=True))
        patch(mock.patch.object(torch.Tensor, "backward", lambda *args, **kwargs: self._backward(*args, **kwargs)))
        patch(mock.patch.object(torch.Tensor, "pin_memory", lambda tensor: self._pin(tensor)))
        stream = mock.Mock(is_capturing=lambda: self.capturing)
        patch(mock.patch.object(torch.accelerator, "current_accelerator", lambda *_, **__: torch.device("cuda")))
        patch(mock.patch.object(torch.accelerator, "current_stream", lambda *_: stream))
        patch(mock.patch.object(torch.nn.Module, "to", lambda *args, **kwargs: self._to(*args, **kwargs)))
        patch(mock.patch.object(torch, "save", lambda state, *args: save(on_cpu(state), *args)))
        before = torch._C._only_lift_cpu_tensors()
        self._patches.callback(torch._C._set_only_lift_cpu_tensors, before)
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(1.0, device="cuda") is then a copy that is seen here
        return super().__enter__()

    def __exit__(self, *error):
        self._patches.close()
        return super().__exit__(*error)


def zeros(tensor: FakeTensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """What is read of a tensor, on the CPU: zeros in its strides."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype or tensor.dtype).zero_()


def on_cpu(state: dict) -> dict:
    """A state whose tensors are on the CPU."""
    return tree_map_only(FakeTensor, zeros, state)


def check_fused_adam(args: tuple, kwargs: dict, capturing: bool) -> None:
    """What the kernel takes for granted: it goes through weights, gradients and moments as flat memory."""
    assert isinstance(kwargs["lr"], torch.Tensor) or not capturing, "The learning rate is a number: each replay has it"
    *lists, _, steps = args[:6]
    for tensors in zip(*lists, strict=True):
        kinds = {(each.dtype, each.device, each.shape, each.stride()) for each in tensors}
        assert len(kinds) == 1, f"Fused Adam got {kinds}"
    for each in (kwargs["lr"], kwargs.get("grad_scale"), kwargs.get("found_inf"), *steps):
        at_home = not isinstance(each, torch.Tensor) or (each.device.type, each.dtype) == ("cuda", torch.float32)
        assert at_home, f"Fused Adam got a number on {each.device}, {each.dtype}"


def run_backward(root, gradient: torch.Tensor) -> None:
    """Autograd's engine in Python, since torch's asks the driver. A node runs when its last gradient is there."""
    waiting, stack, seen = Counter(), [root], {root}
    while stack:
        for node, _ in stack.pop().next_functions:
            waiting[node] += 1
            if node is not None and node not in seen:
                seen.add(node)
                stack.append(node)
    given, ready = {root: {0: gradient}}, [root]
    while ready:
        node = ready.pop()
        arguments = given.pop(node, {})
        if node.name() == "torch::autograd::AccumulateGrad":
            if 0 in arguments:
                accumulate(node.variable, arguments[0])
            continue
        gradients = node(*map(arguments.get, range(len(node._input_metadata)))) if arguments else ()
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        for (after, number), each in itertools.zip_longest(node.next_functions, gradients):
            waiting[after] -= 1
            if after is not None and each is not None:
                meta, slot = after._input_metadata[number], given.setdefault(after, {})
                assert each.device == meta.device, f"A gradient on {each.device} for {meta.device}"
                each = each.to(meta.dtype).sum_to_size(meta.shape)
                slot[number] = slot[number] + each if number in slot else each
            if after is not None and not waiting[after]:
                ready.append(after)


def accumulate(weight: torch.Tensor, gradient: torch.Tensor) -> None:
    """Add to a weight's gradient, which gets the weight's strides, as in torch's engine."""
    gradient = torch.empty_like(weight).copy_(gradient)
    weight.grad = gradient if weight.grad is None else weight.grad + gradient

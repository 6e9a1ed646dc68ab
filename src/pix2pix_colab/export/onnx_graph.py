"""ONNX graph under construction: its nodes and its constants, and how weights are stored in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..utils.files import atomic_write
from ..utils.int8 import FROM_KEPT, quantize, without_third

WEIGHTS = ("float32", "float16", "int8")
DEFAULT_WEIGHTS = "int8"  # a quarter of the bytes, and no λ's L1, SSIM or sharpness moved by over 0.0004
OPSET, IR_VERSION = 17, 8  # of 2022: onnxruntime and onnxruntime-web run it from version 1.12 on


class OnnxMissingError(ImportError):
    """The package onnx is not installed."""


class OnnxGraph:
    """ONNX graph under construction. Its methods return the name of what they add.

    The weights of convolutions are stored as "float32", "float16" or "int8". The graph itself turns them to float32 and
    computes with that. Raises ValueError for any other ``weights``, OnnxMissingError if the package onnx is not there.
    """

    def __init__(self, weights: str):
        if weights not in WEIGHTS:
            raise ValueError(f"weights is {weights!r}, but they can be stored as {', '.join(WEIGHTS)}: choose one.")
        try:
            import onnx  # here, for only an export needs it
            import onnx.numpy_helper
        except ImportError as error:
            words = "An export needs the package onnx, which is not installed"
            raise OnnxMissingError(f"{words}: pip install onnx onnxruntime.") from error
        self.weights, self.onnx = weights, onnx
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def input(self, name: str, shape: Sequence[int], dtype: str = "FLOAT") -> str:
        self.inputs.append(self._describe(name, shape, dtype))
        return name

    def output(self, x: str, name: str, shape: Sequence[int], dtype: str = "FLOAT") -> None:
        """Make a value an output of the graph, by its own name."""
        self._add("Identity", [x], name)
        self.outputs.append(self._describe(name, shape, dtype))

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        return self._add(op, inputs, f"{op}_{len(self.nodes)}", **attributes)

    def cast(self, x: str, dtype: str) -> str:
        return self.node("Cast", x, to=getattr(self.onnx.TensorProto, dtype))

    def constant(self, values: Tensor | float | Sequence[int], name: str = "") -> str:
        name = name or f"constant_{len(self.constants)}"
        array = torch.as_tensor(values).detach().cpu().numpy()
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def weight(self, values: Tensor, name: str, channels: Sequence[int]) -> str:
        """Add the weights of a convolution, stored as ``self.weights`` says, and return their float32 values.

        int8 is symmetric, with a scale for each index of the axes ``channels``; balanced filters have nine weights of
        sixteen. It is undone by Cast and Mul, and not by DequantizeLinear: that one onnxruntime would not fold when it
        loads the file, but repeat for every image.
        """
        if self.weights == "float32":
            return self.constant(values, name)
        if self.weights == "float16":
            return self.cast(self.constant(values.half(), name), "FLOAT")
        whole, scale = quantize(without_third(values), channels)
        x = self.node("Mul", self.cast(self.constant(whole, name), "FLOAT"), self.constant(scale, f"{name}.scale"))
        if whole.shape == values.shape:
            return x
        return self.node("MatMul", self.node("MatMul", self.constant(FROM_KEPT), x), self.constant(FROM_KEPT.mT))

    def save(self, file: str | Path, metadata: Mapping[str, str]) -> Path:
        """Write the graph, atomically."""
        file, helper = Path(file), self.onnx.helper
        graph = helper.make_graph(self.nodes, "pix2pix", self.inputs, self.outputs, self.constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pix2pix-colab")
        helper.set_model_props(model, dict(metadata))
        with atomic_write(file) as partial:
            partial.write_bytes(model.SerializeToString())
        return file

    def _add(self, op: str, inputs: Sequence[str], name: str, **attributes: object) -> str:
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def _describe(self, name: str, shape: Sequence[int], dtype: str) -> object:
        return self.onnx.helper.make_tensor_value_info(name, getattr(self.onnx.TensorProto, dtype), shape)

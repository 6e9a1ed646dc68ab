"""Export: a generator or a λ path as ONNX files, for programs without PyTorch and for web pages."""

from .onnx_files import export_onnx, export_parts, read_network
from .onnx_graph import DEFAULT_WEIGHTS, WEIGHTS, OnnxMissingError

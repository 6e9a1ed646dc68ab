"""Utilities for all wings: image conversion, files, devices, Markdown tables, ES modules."""

from .images import to_float, to_uint8
from .markdown import markdown_table

"""Output of notebook cells: a table, a diagram, and the source code of a definition."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

from IPython.display import SVG, Code, Markdown

from ..utils.markdown import markdown_table


def show_table(table: str | Sequence[Mapping[str, object] | tuple]) -> Markdown:
    """Table, given as Markdown or as rows: dicts of equal keys, or NamedTuples."""
    return Markdown(table if isinstance(table, str) else markdown_table(table))


def show_source(thing: object) -> Code:
    """Source code of a class, function or module, with syntax highlighting."""
    return Code(inspect.getsource(thing), language="python")


def show_diagram(network: str) -> SVG:
    """Diagram of the paper's "generator" or "discriminator", of width 64 at 256 px."""
    return SVG(filename=str(Path(__file__).with_name(f"{network}.svg")))

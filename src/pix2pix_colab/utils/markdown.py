"""Markdown tables."""

from collections.abc import Mapping, Sequence


def markdown_table(rows: Sequence[Mapping[str, object] | tuple]) -> str:
    """Format rows of equal keys, dicts or NamedTuples, as a Markdown table. A tuple reads as a shape, 64×128×128."""
    rows = [row if isinstance(row, Mapping) else row._asdict() for row in rows]
    head = [key.replace("_", " ") for key in rows[0]]
    cells = [[size_text(cell) if isinstance(cell, tuple) else str(cell) for cell in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *cells])


def size_text(shape: Sequence[int]) -> str:
    """Format a shape: (64, 128, 128) as 64×128×128."""
    return "×".join(map(str, shape))

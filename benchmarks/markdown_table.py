"""Tables in Markdown, for the files under `benchmarks/results/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table whose first ``left`` columns are set left and whose others are set right."""
    marks = ["---"] * left + ["---:"] * (len(columns) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, marks, *rows))


def p_text(p: float) -> str:
    """A p-value as it is written in a table."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"

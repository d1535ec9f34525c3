"""Tables on the console, in one style."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.table import Column, Table


def new_table(
    texts: Sequence[str | Column], numbers: Sequence[RenderableType] = (), **style: Any
) -> Table:
    """A table without rows.

    Args:
        texts: headings of the first columns, or columns of another kind.
        numbers: headings of those to the right, whose cells stand at the right and never break.
        style: of rich's ``Table``, other than usual.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    usual: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "title_style": "bold"}
    columns = (Column(heading, justify="right", no_wrap=True) for heading in numbers)
    return Table(*texts, *columns, title_justify="left", **usual | style)

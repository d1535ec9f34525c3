"""What the values of options are, and options that were renamed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
POSITIVE = click.IntRange(min=1)
NOT_NEGATIVE = click.IntRange(min=0)


class RenamedOption(click.Option):
    """An option that still answers to its old names, which neither help nor messages show.

    Args:
        names: as of any option.
        old: former names, such as ``["--predictors"]``.
    """

    def __init__(self, names: Sequence[str], *, old: Sequence[str], **settings: Any) -> None:
        super().__init__(names, **settings)
        self.old = old

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        shown = self.opts
        self.opts = [*shown, *self.old]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown

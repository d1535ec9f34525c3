"""What the values of options are, and options that were renamed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcu_nas_moo.cli.program import note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
POSITIVE = click.IntRange(min=1)
NOT_NEGATIVE = click.IntRange(min=0)


class RenamedOption(click.Option):
    """An option that still answers to its old names, which neither help nor messages show.

    Who uses an old one is told the new one, on a line of stderr.

    Args:
        names: as of any option, which takes a value.
        old: former names, such as ``["--predictors"]``.
    """

    def __init__(self, names: Sequence[str], *, old: Sequence[str], **settings: Any) -> None:
        super().__init__(names, **settings)
        self.old = old

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        for name in self.old:  # under a key of its own, by which it is known
            parser.add_option(self, [name], dest=name, action="append", nargs=self.nargs)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        used = {name: opts[name] for name in self.old if name in opts}
        if used and not ctx.resilient_parsing:
            for name in used:
                note(f"{name} is called {self.opts[0]} now; the old name ends with 0.3")
        values = [value for given in used.values() for value in given]
        own = str(self.name)
        if self.multiple and values:
            opts = {**opts, own: [*opts.get(own, ()), *values]}
        elif values:
            opts = {own: values[-1], **opts}
        return super().handle_parse_result(ctx, opts, args)

"""What the commands that take a subnet to a chip share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

subnet_argument = click.argument("subnet", type=click.Path(path_type=Path))

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="Image folder with train/<class>/<image> and, for final figures, test/<class>/<image>.",
)

profile_option = click.option(
    "--profile",
    default="cortex-m7",
    show_default=True,
    help="Chip and limits: the name of a profile, or a YAML file.",
)


def folder_option(
    what: str,
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """``--out``, the folder of the subnet; ``what`` says what the command does there."""
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help=f"Folder of the subnet{what}.  [default: deploy/NAME]",
    )

"""What the commands that take a subnet to a chip share."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from mcu_nas_moo.cli.option_types import FILE, FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.hardware.profile import Profile
    from mcu_nas_moo.spaces.subnet_file import SubnetFile

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

subnet_argument = click.argument("subnet", type=FILE)

data_option = click.option(
    "--data",
    type=FILE,
    required=True,
    help="Image folder with train/<class>/<image> and, for final figures, test/<class>/<image>.",
)

profile_option = click.option(
    "--profile",
    help="Chip and limits: the name of a profile, or a YAML file.  [default: the one that SUBNET "
    "names, else cortex-m7]",
)


def profile_of(chosen: SubnetFile, profile: str | None) -> Profile:
    """The profile that was asked for, or the one that the subnet was searched for."""
    from mcu_nas_moo.hardware.profile import load_profile

    return load_profile(profile or chosen.profile or "cortex-m7")


def folder_option(
    what: str,
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """``--out``, the folder of the subnet; ``what`` says what the command does there."""
    return click.option(
        "--out", type=FOLDER, help=f"Folder of the subnet{what}.  [default: deploy/NAME]"
    )

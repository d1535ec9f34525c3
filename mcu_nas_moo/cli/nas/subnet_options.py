"""What the commands share that train networks, or take a subnet to a chip."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from mcu_nas_moo.cli.option_types import FILE, FOLDER
from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.deployment.export.int8_model import Int8Model
    from mcu_nas_moo.deployment.folder import DeploymentFolder
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

device_option = click.option("--device", default="auto", help="cpu, cuda or auto.")


def profile_of(chosen: SubnetFile, profile: str | None) -> Profile:
    """The profile that was asked for, or the one that the subnet was searched for."""
    from mcu_nas_moo.hardware.profile import load_profile

    if profile is None and chosen.profile_file is not None:
        return load_profile(chosen.profile_file.find(Path()))
    return load_profile(profile or chosen.profile or "cortex-m7")


def folder_option(
    what: str,
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """``--out``, the folder of the subnet; ``what`` says what the command does there."""
    return click.option(
        "--out", type=FOLDER, help=f"Folder of the subnet{what}.  [default: deploy/NAME]"
    )


def arguments_of(subnet: Path, out: Path | None) -> list[str]:
    """What the next command of a subnet needs to find what this one made."""
    return [str(subnet), *([] if out is None else ["--out", str(out)])]


def exported_model(chosen: SubnetFile, file: Path, folders: DeploymentFolder) -> Int8Model:
    """The exported network of a subnet; how many classes it tells apart, its images decided.

    Raises:
        InputError: if there is none, it is damaged or of another subnet, or a package is missing.
    """
    from mcu_nas_moo.common.extras import require
    from mcu_nas_moo.deployment.export.int8_model import read_int8_model

    for package in ("onnxruntime", "elftools"):  # one command installs all that is to come
        require(package, "firmware")
    model = read_int8_model(folders.int8_onnx)
    found = model.subnet
    if (found.space, found.genes) != (chosen.space, chosen.genes):
        raise InputError(
            f"{folders.int8_onnx} is the network {found.name}, not that of {file}; export this one "
            "with `mcu-nas export`, or name its folder with --out"
        )
    return model


def torch_device(device: str) -> str:
    """What torch calls the device; ``auto`` is the GPU if there is one.

    Raises:
        InputError: if there is no such device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise InputError(f"--device {device}: choose cpu, cuda or auto")
    if device == "cpu":
        return device
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if found else "cpu"
    if int(device.partition(":")[2] or 0) >= found:
        raise InputError(f"--device {device}: torch finds no such device here; take --device cpu")
    return device


def start_torch(device: str) -> str:
    """Prepare torch for training, and :func:`torch_device`."""
    from mcu_nas_moo.training.cpu import prepare_cpu

    prepare_cpu()
    return torch_device(device)

"""The int8 network that ``mcu-nas export`` left, for the commands that come after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from mcu_nas_moo.deployment.export.int8_model import Int8Model
    from mcu_nas_moo.deployment.folder import DeploymentFolder
    from mcu_nas_moo.spaces.subnet_file import SubnetFile


def exported_model(chosen: SubnetFile, file: Path, folders: DeploymentFolder) -> Int8Model:
    """The exported network of a subnet; how many classes it tells apart, its images decided.

    Args:
        chosen: the subnet in ``file``.
        file: for messages.
        folders: where the network should be.

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

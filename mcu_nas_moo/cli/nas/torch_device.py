"""The processor that torch computes on, for commands that train or evaluate networks."""

from __future__ import annotations

import click

from mcu_nas_moo.common.errors import InputError

device_option = click.option("--device", default="auto", help="cpu, cuda or auto.")


def start_torch(device: str) -> str:
    """Prepare torch and resolve ``auto``.

    Raises:
        InputError: if there is no such device.
    """
    from mcu_nas_moo.training.cpu import prepare_cpu

    prepare_cpu()
    import torch

    found = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device must be cpu, cuda or auto, got {device!r}")
    if device == "cuda" and found == "cpu":
        raise InputError("no CUDA device was found; use --device cpu")
    return found if device == "auto" else device

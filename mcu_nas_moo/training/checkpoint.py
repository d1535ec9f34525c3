"""Checkpoints of trainings, read without unpickling anything but tensors and plain values."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import torch

from mcu_nas_moo.common.files import parsing
from mcu_nas_moo.common.npz_files import check_sizes

if TYPE_CHECKING:
    from pathlib import Path

REMEDY = "delete it to train from the start, or choose another --out folder"


def read_checkpoint(path: Path, device: str) -> dict[str, Any]:
    """What a training wrote into a checkpoint.

    Raises:
        InputError: if the file is damaged or something else.
    """
    with parsing(path, REMEDY):
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive)
        saved = torch.load(path, map_location=device, weights_only=True)
        return {**saved, "circumstances": dict(saved["circumstances"])}

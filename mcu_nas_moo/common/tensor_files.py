"""Safetensors files, checked to be whole and finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import FILE_LIMIT
from mcu_nas_moo.common.json_files import parse_json

if TYPE_CHECKING:
    from pathlib import Path

#: Most bytes of a file's list of tensors.
_HEADER_LIMIT = 2**24


def read_tensors(
    path: Path, framework: str = "pt", device: str = "cpu"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and metadata of a safetensors file, each by name; metadata are JSON.

    Args:
        path: of the file.
        framework: ``pt`` for tensors of torch, ``numpy`` for arrays.
        device: of torch.

    Raises:
        Exception: of many kinds if the file is damaged, and an InputError if it is too large or a
            weight is not finite; see :func:`~mcu_nas_moo.common.files.parsing`.
    """
    from safetensors import safe_open

    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > _HEADER_LIMIT or path.stat().st_size > FILE_LIMIT:
        raise InputError("it is too large, or no safetensors file")
    with safe_open(path, framework=framework, device=device) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = {name: parse_json(text) for name, text in (file.metadata() or {}).items()}
    for name, tensor in tensors.items():
        finite = tensor.isfinite() if framework == "pt" else np.isfinite(tensor)
        if not finite.all():
            raise InputError(f"weights {name} are not finite")
    return tensors, metadata

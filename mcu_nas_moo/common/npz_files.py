"""NPZ files, read with their sizes known before memory is taken, and never as pickles."""

from __future__ import annotations

import io
import zipfile
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import FILE_LIMIT, read_bytes, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Array = np.ndarray[Any, Any]

#: Kinds and dimensions of the arrays in this project's files.
INDICES, FIGURES, FIGURE_LIST, FACTS = ("iu", 2), ("f", 2), ("f", 1), ("U", 0)
#: Most bytes that are unpacked at once: LZMA makes thousands of one.
_CHUNK = 2**14


def read_npz(
    path: Path, expected: Mapping[str, tuple[str, int]] | None = None, limit: int = FILE_LIMIT
) -> dict[str, Array]:
    """The arrays of an NPZ file by name.

    Args:
        path: of the file.
        expected: names, numpy's letters of the kinds of numbers that are taken, and number of
            dimensions of the arrays to read; all that there are by default.
        limit: most bytes of the file and of all arrays.

    Raises:
        Exception: of many kinds if the file is damaged, and an InputError if its arrays are too
            large or not as expected; see :func:`~mcu_nas_moo.common.files.parsing`.
    """
    content = io.BytesIO(read_bytes(path, limit))
    if not zipfile.is_zipfile(content):
        raise InputError("no NPZ file, or one that was cut short")
    with zipfile.ZipFile(content) as archive:
        check_sizes(archive, limit)
        names = expected or [name.removesuffix(".npy") for name in archive.namelist()]
        arrays = {name: _array(archive, name) for name in names}
    for name, (kinds, dimensions) in (expected or {}).items():
        found = arrays[name]
        if found.dtype.kind not in kinds or found.ndim != dimensions:
            raise InputError(f"{name} is {found.dtype} of shape {found.shape}")
    return arrays


def check_sizes(archive: zipfile.ZipFile, limit: int = FILE_LIMIT) -> None:
    """Refuse an archive whose members say that they have more than ``limit`` bytes together.

    Raises:
        InputError: if they do.
    """
    if sum(entry.file_size for entry in archive.infolist()) > limit:
        raise InputError(f"it unpacks to more than {limit >> 20} MiB")


def _array(archive: zipfile.ZipFile, name: str) -> Array:
    if f"{name}.npy" not in archive.NameToInfo:
        raise KeyError(name)
    with archive.open(f"{name}.npy") as member:
        content = b"".join(iter(lambda: member.read(_CHUNK), b""))
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise InputError(f"{name} is in version {version} of the format")
    read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
    shape, by_columns, dtype = read_header(stream)
    if dtype.hasobject:
        raise InputError(f"{name} holds a pickle, which is never read")
    start = stream.tell()
    if prod(shape) * dtype.itemsize != len(content) - start:
        raise InputError(f"{name} says to be {dtype} {shape}, but has {len(content) - start} bytes")
    values = np.frombuffer(content, dtype, offset=start) if start < len(content) else ()
    return np.array(values, dtype).reshape(shape, order="F" if by_columns else "C")


def write_npz(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> None:
    """Write arrays by name in one step."""

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # or numpy adds an ending to the name
            (np.savez_compressed if compressed else np.savez)(file, **arrays)

    write_atomically(path, write)

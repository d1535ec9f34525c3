"""Writing files so that an interrupted program never leaves half of one; knowing them again."""

from __future__ import annotations

import glob
import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def cache_folder() -> Path:
    """The project's folder in the user's cache: in ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcu-nas-moo"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path``, then move it there in one step.

    What a killed process left in the folder is removed, the first time that this one writes there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.absolute())
    partial = path.with_name(f".{path.name}.{os.getpid()}@{platform.node()}.partial")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@cache
def _sweep(folder: Path) -> None:
    import psutil

    for partial in folder.glob(f".*@{glob.escape(platform.node())}.partial"):
        writer = partial.name.rsplit("@", 1)[0].rpartition(".")[2]
        if writer.isdigit() and not psutil.pid_exists(int(writer)):
            partial.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, see :func:`write_atomically`."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

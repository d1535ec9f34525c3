"""Files: written so that none is ever half there, read so that a damaged one costs one line."""

from __future__ import annotations

import glob
import hashlib
import os
import platform
import re
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import DamagedFileError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.resources.abc import Traversable

#: Most bytes of a text file (YAML, JSON, CSV), and of any other file, that are read.
TEXT_LIMIT, FILE_LIMIT = 2**26, 2**30
#: Most characters of a message that another library wrote.
_REASON = 300


def is_url(place: str) -> bool:
    """Whether a place is a URL, and no path, be it with a drive of Windows."""
    return re.match(r"[\w+]{2,}:", place) is not None


def cache_folder() -> Path:
    """The project's folder in the user's cache: in ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcu-nas-moo"


@contextmanager
def parsing(path: Path | str, remedy: str = "", kind: str = "") -> Iterator[None]:
    """While a file is taken apart: whatever is raised is a sign that the file is damaged.

    Parsers raise errors of every kind on files that break their rules. Only a MemoryError passes:
    readers look at sizes before they take memory.

    Args:
        path: how the message refers to the file.
        remedy: how to get a good one.
        kind: what it should be, such as ``a reference front``.

    Raises:
        DamagedFileError: on one line, with the reason.
        InputError: if the system does not let the file be read.
    """
    end = f"; {remedy}" if remedy else ""
    try:
        yield
    except (DamagedFileError, MemoryError):
        raise
    except OSError as error:
        if error.errno is None:  # of a parser
            raise DamagedFileError(f"{path} is damaged ({reason_of(error)}){end}") from error
        raise InputError(f"{path} cannot be read ({error.strerror}){end}") from error
    except Exception as error:
        what = f"damaged or not {kind}" if kind else "damaged"
        raise DamagedFileError(f"{path} is {what} ({reason_of(error)}){end}") from error


def reason_of(error: Exception) -> str:
    """What was wrong with a file, on one line, by the error that reading it raised."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError):
        return f"field {error} is missing"
    return " ".join(str(error).split())[:_REASON] or type(error).__name__


def read_bytes(file: Traversable, limit: int = FILE_LIMIT) -> bytes:
    """What a file holds; no more than ``limit`` bytes are ever in memory.

    Raises:
        InputError: if the file is larger.
        OSError: if it cannot be read.
    """
    with file.open("rb") as opened:
        # Python takes as much memory as it is told to read; a pipe does not know its length.
        length = os.fstat(opened.fileno()).st_size or limit
        content = opened.read(min(length, limit) + 1)
    if len(content) > limit:
        raise InputError(f"it has more than {limit >> 20} MiB")
    return content


def read_text(file: Traversable, limit: int = TEXT_LIMIT) -> str:
    """What a UTF-8 text file holds; raises as :func:`read_bytes` does, or a UnicodeDecodeError."""
    return read_bytes(file, limit).decode("utf-8-sig")


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

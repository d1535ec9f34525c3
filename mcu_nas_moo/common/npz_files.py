"""NPZ files that may be damaged."""

from __future__ import annotations

import zipfile
import zlib
from lzma import LZMAError

#: What reading a file raises that is not what it should be.
DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error, LZMAError),
)


def npz_problem(error: Exception) -> str:
    """What is wrong with an NPZ file that numpy cannot read.

    Numpy takes anything else for a pickle, and advises to load it unsafely.
    """
    return "no NPZ file" if "pickle" in str(error) else str(error)

"""The files that the package ships: supernet weights, labels, predictor."""

from __future__ import annotations

import json
from pathlib import Path

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import checksum, parsing

#: Stands for the shared weights that the package brings.
SHIPPED = "shipped"
#: Folder of the shipped files.
FOLDER = Path(__file__).parent / "artifacts"
#: Its list of SHA-256 sums, by file name.
CHECKSUMS = FOLDER / "checksums.json"


def artifact_path(name: str, path: Path | None, command: str) -> Path:
    """``path``, or where the shipped file ``name`` lies; shipped files are checked to be whole.

    Args:
        command: that makes the file, without ``--out``; for messages.

    Raises:
        InputError: if the file is missing, or is a shipped one with another checksum.
    """
    found = path or FOLDER / name
    if not found.is_file():
        raise InputError(f"{found} is missing; {remake(found, command)}")
    if path is None:
        known = json.loads(CHECKSUMS.read_text(encoding="utf-8")) if CHECKSUMS.is_file() else {}
        with parsing(found, remake(found, command)):
            if known.get(name) != checksum(found):
                raise InputError("its checksum is not the one in checksums.json")
    return found


def remake(path: Path, command: str) -> str:
    """The remedy for a file that cannot be used."""
    return f"remake it with `{command} --out {path}`"


def register(*paths: Path) -> None:
    """Record the checksums of files that were written to the artifact folder; skip others."""
    known = json.loads(CHECKSUMS.read_text(encoding="utf-8")) if CHECKSUMS.is_file() else {}
    here = [path for path in paths if path.resolve().parent == FOLDER.resolve()]
    known.update({path.name: checksum(path) for path in here})
    if here:
        CHECKSUMS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")

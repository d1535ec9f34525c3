"""Runtime files: what ``mcu-nas calibrate`` writes and profiles refer to."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import write_text_atomically

if TYPE_CHECKING:
    from mcu_nas_moo.hardware.runtime import Runtime

_HEADER = "# Written by mcu-nas calibrate; change the measurements or the recipe, not this file.\n"


def shipped_runtimes() -> Path:
    """Folder of the runtime files that the package ships."""
    return Path(str(files("mcu_nas_moo.hardware") / "runtimes"))


def runtime_text(runtime: Runtime) -> str:
    """The file that ``load_runtime`` reads."""
    facts = runtime.model_dump(mode="json", exclude_none=True)
    return _HEADER + yaml.safe_dump(facts, sort_keys=False, width=98, allow_unicode=True)


def write_runtime(runtime: Runtime, path: Path) -> bool:
    """Write the runtime file, whole or not at all; return whether it was another one before."""
    text = runtime_text(runtime)
    if path.is_file() and path.read_text() == text:
        return False
    write_text_atomically(path, text)
    return True


def check_overwritable(path: Path) -> None:
    """Raise an InputError if writing a runtime there would lose anything but a runtime file."""
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{path}: runtime files end in .yaml, so that profiles take them as files")
    if path.is_dir() or (
        path.exists() and not path.read_text(errors="replace").startswith(_HEADER)
    ):
        raise InputError(f"{path} exists and is no file of mcu-nas calibrate; choose another --out")

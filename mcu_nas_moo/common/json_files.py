"""JSON, read so that a damaged or malicious text costs one line."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, read_text, write_text_atomically

if TYPE_CHECKING:
    from pathlib import Path

#: Deepest nesting of lists and mappings in files.
DEPTH = 32


def parse_json(text: str) -> Any:
    """What a JSON text holds. NaN and infinities, also as 1e999, become None.

    Raises:
        ValueError: if it is no JSON.
        InputError: if it is nested too deeply.
        RecursionError: if it is so by far.
    """
    return shallow(json.loads(text, parse_constant=lambda name: None, parse_float=_finite))


def _finite(text: str) -> float | None:
    return value if isfinite(value := float(text)) else None


def shallow(values: Any) -> Any:
    """``values``, which are plain data.

    Raises:
        InputError: if they are nested too deeply.
    """
    level = [values]
    for _ in range(DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return values
    raise InputError("it is nested too deeply")


def parse_mapping(text: str) -> dict[str, Any]:
    """The mapping that a JSON text holds; raises as :func:`parse_json` does, or an InputError."""
    values = parse_json(text)
    if not isinstance(values, dict):
        raise InputError("expected a mapping of fields to values")
    return values


def read_json(path: Path, remedy: str = "", kind: str = "") -> dict[str, Any]:
    """The mapping that a JSON file holds; arguments as in ``parsing``.

    Raises:
        InputError: if the file is missing, damaged, or holds something else.
    """
    with parsing(path, remedy, kind):
        return parse_mapping(read_text(path))


def write_json(path: Path, values: Any, indent: int = 1) -> None:
    """Write plain data in one step."""
    write_text_atomically(path, json.dumps(values, indent=indent) + "\n")

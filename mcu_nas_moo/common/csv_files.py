"""CSV tables as text, with the line of each row for messages."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.files import parsing, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def read_table(path: Path, remedy: str = "") -> tuple[list[str], dict[int, dict[str, str]]]:
    """Names of the columns, and the rows by the number of their line, as text without spaces.

    Blank lines are left out; fields that are missing at the end of a row are empty.

    Raises:
        InputError: if the file cannot be read, is no CSV table, has a column twice, or a row with
            more fields than columns.
    """
    with parsing(path, remedy, "a CSV table"):
        text = io.StringIO(read_text(path), newline="")
        reader = csv.reader(text, skipinitialspace=True, strict=True)
        columns = [name.strip() for name in next(reader, [])]
        if not columns or len(set(columns)) < len(columns):
            raise InputError("the first line should hold the names of columns, each once")
        rows = {}
        for fields in reader:
            if len(fields) > len(columns):
                raise InputError(
                    f"line {reader.line_num} has {len(fields)} fields, not {len(columns)}"
                )
            if any(field.strip() for field in fields):
                filled = [field.strip() for field in fields] + [""] * (len(columns) - len(fields))
                rows[reader.line_num] = dict(zip(columns, filled, strict=True))
        return columns, rows


def table_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV table; floating-point numbers have the shortest digits that read back exactly."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()

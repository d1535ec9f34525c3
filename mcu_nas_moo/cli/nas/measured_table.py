"""What was measured of a front beside what was believed: a table on the console, and as CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from mcu_nas_moo.common.tables import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from mcu_nas_moo.contracts.metrics import Metric
    from mcu_nas_moo.search.measured_front import MeasuredFront


def measured_table(measured: MeasuredFront, numbers: Sequence[int]) -> Table:
    """One row for each subnet; ``numbers`` are their places on the front, from 0 on.

    Where the search believed something, a cell is that, an arrow, what was found, and how far off
    the belief was.
    """
    from rich.table import Column

    number = Column("#", justify="right", no_wrap=True)
    name = Column("name", no_wrap=True, overflow="ellipsis", min_width=10)
    table = new_table((number, name), [metric.heading for metric in measured.metrics])
    for row, place in enumerate(numbers):
        cells = [_cell(measured, metric, row) for metric in measured.metrics]
        table.add_row(str(place + 1), measured.subnets.names[row], *cells)
    return table


def _cell(measured: MeasuredFront, metric: Metric, row: int) -> str:
    found, believed = float(measured.found[metric.name][row]), measured.believed(metric)
    text = "-" if math.isnan(found) else metric.number(found)
    if believed is None:
        return text
    guess = float(believed[row])
    off = "" if math.isnan(found) or not found else f" ({100 * (guess / found - 1):+.0f} %)"
    return f"{metric.number(guess)} → {text}{off}"


def measured_csv(measured: MeasuredFront) -> str:
    """The same in full precision, with the reason of what could not be measured."""
    believed = {
        f"{metric.name}_believed": values
        for metric in measured.metrics
        if (values := measured.believed(metric)) is not None
    }
    columns = believed | measured.found
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *columns, "reason"])
    for row, name in enumerate(measured.subnets.names):
        figures = (float(values[row]) for values in columns.values())
        cells = ("" if math.isnan(value) else repr(value) for value in figures)
        writer.writerow([name, *cells, measured.reasons.get(row, "")])
    return text.getvalue()

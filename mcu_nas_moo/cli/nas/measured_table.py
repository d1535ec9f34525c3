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

    from mcu_nas_moo.search.measured_front import MeasuredFront


def measured_table(measured: MeasuredFront, numbers: Sequence[int]) -> Table:
    """One row for each subnet; ``numbers`` are their places on the front, from 0 on."""
    from rich.table import Column

    heads = []
    for metric in measured.metrics:
        known = measured.believed(metric) is not None
        heads += [f"{metric.heading}\nbelieved", "found", "off by"] if known else [metric.heading]
    number = Column("#", justify="right", no_wrap=True)
    name = Column("name", no_wrap=True, overflow="ellipsis", min_width=12)
    table = new_table((number, name), heads)
    for row, place in enumerate(numbers):
        cells = []
        for metric in measured.metrics:
            believed, found = measured.believed(metric), float(measured.found[metric.name][row])
            text = "-" if math.isnan(found) else metric.number(found)
            if believed is None:
                cells.append(text)
                continue
            guess = float(believed[row])
            off = "" if math.isnan(found) or not found else f"{100 * (guess / found - 1):+.0f} %"
            cells += [metric.number(guess), text, off]
        table.add_row(str(place + 1), measured.subnets.names[row], *cells)
    return table


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

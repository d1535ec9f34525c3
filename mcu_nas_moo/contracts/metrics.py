"""The vocabulary of metrics: what can be measured of a network, and how each figure is written.

Whatever lists metrics (options, limits, objectives, tables, pages, columns of files, labels of
axes) reads this table; a metric that is added here is in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Metric:
    """One figure of a network.

    Args:
        name: in Python, files and columns; the unit of the stored value is its last part.
        short: name in a sentence or beside the unit.
        unit: of a value multiplied by ``factor``, as people read it; empty without one.
        label: with the unit, for an axis.
        factor: from the stored value to ``unit``.
        decimals: digits after the point in a column; None for four significant ones.
        smaller_is_better: what an optimiser would do with it.
        objective: name of the objective that minimises the metric; None if none does.
        limit: name of the constraint that keeps it below the limit of a profile; None if none does.
    """

    name: str
    short: str
    unit: str
    label: str
    factor: float = 1.0
    decimals: int | None = None
    smaller_is_better: bool = True
    objective: str | None = None
    limit: str | None = None

    @property
    def heading(self) -> str:
        """Short name and unit, for the head of a column."""
        return f"{self.short} {self.unit}".rstrip()

    @property
    def option(self) -> str:
        """How options on the command line are called."""
        return self.name.replace("_", "-")

    def number(self, value: float) -> str:
        """A stored value as a number of :attr:`unit`, for a column."""
        shown = self.factor * value
        return significant(shown) if self.decimals is None else f"{shown:.{self.decimals}f}"

    def text(self, value: float) -> str:
        """A stored value with its unit, for a sentence: four significant digits."""
        return f"{significant(self.factor * value)} {self.unit}".rstrip()


def significant(value: float, digits: int = 4) -> str:
    """A positive number with so many significant digits, all digits before the point."""
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


#: How far a network is beyond the limits: the sum over them of ``max(0, value / limit - 1)``.
VIOLATION = "constraint_violation"
#: A share, shown in per cent.
_share = partial(Metric, unit="%", factor=100.0, decimals=2)
#: All metrics by name, in the order of tables.
METRICS = {
    metric.name: metric
    for metric in (
        _share(
            "accuracy",
            "accuracy",
            label="accuracy on the validation split, %",
            smaller_is_better=False,
        ),
        _share("accuracy_std", "spread of accuracy", label="standard deviation of accuracy, %"),
        _share("error", "error", label="error on the validation split, %", objective="error"),
        Metric("latency_ms", "latency", "ms", "latency, ms", objective="latency", limit="latency"),
        Metric("sram_kib", "SRAM", "KiB", "SRAM, KiB", objective="sram", limit="sram"),
        Metric("flash_kib", "Flash", "KiB", "Flash, KiB", objective="flash", limit="flash"),
        Metric("energy_mj", "energy", "mJ", "energy per inference, mJ", objective="energy"),
        Metric("macs_m", "MACs", "M", "million MACs", objective="macs"),
        Metric(VIOLATION, "constraint violation", "", "sum of the constraint violations"),
    )
}
#: What can be minimised, by the name of the objective.
OBJECTIVES = {metric.objective: metric for metric in METRICS.values() if metric.objective}
#: What has a limit, by the name of the constraint, in the order of the columns of ``G``. That is
#: the table from below, memory first; so a metric with a further limit stands above the others.
LIMITED = {metric.limit: metric for metric in reversed(METRICS.values()) if metric.limit}

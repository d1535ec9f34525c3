"""The vocabulary of metrics: what can be measured of a network, and how each figure is written.

Whatever lists metrics (options, limits, objectives, tables, pages, columns of files, labels of
axes) reads this table; a metric that is added here is in all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from mcu_nas_moo.common.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcu_nas_moo.common.arrays import FloatArray


@dataclass(frozen=True)
class Metric:
    """One figure of a network.

    An evaluator of a user's brings metrics of its own; ``Metric("memory_mb", unit="MB")`` is
    enough. Any of them can be an objective and have a limit, under its name.

    Args:
        name: in Python, files and columns, in small letters, digits and ``_``; the unit of the
            stored value is its last part.
        short: name in a sentence or beside the unit; made of ``name`` if it is empty.
        unit: of a value multiplied by ``factor``, as people read it; empty without one.
        label: with the unit, for an axis; made of ``short`` and ``unit`` if it is empty.
        factor: from the stored value to ``unit``.
        decimals: digits after the point in a column; None for four significant ones.
        smaller_is_better: what an optimiser would do with it.
        objective: name of the objective that minimises the metric; None if it has none of its own.
        limit: name of the constraint that a profile's limit makes; None if profiles have none.

    Raises:
        InputError: for a name that could not be a column or an option.
    """

    name: str
    short: str = ""
    unit: str = ""
    label: str = ""
    factor: float = 1.0
    decimals: int | None = None
    smaller_is_better: bool = True
    objective: str | None = None
    limit: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]{0,49}", self.name):
            raise InputError(
                f"metric {self.name!r} needs a name of at most 50 small letters, digits and _, "
                "with a letter first"
            )
        unit = self.unit
        if not self.short:
            suffix = f"_{unit.lower()}" if unit else ""
            short = self.name.removesuffix(suffix).replace("_", " ") or self.name
            object.__setattr__(self, "short", short)
        if not self.label:
            object.__setattr__(self, "label", f"{self.short}, {unit}" if unit else self.short)

    def minimised(self, values: FloatArray) -> FloatArray:
        """What an optimiser minimises of the metric's ``values``: minus those to be maximised."""
        return values if self.smaller_is_better else -values

    def excess(self, values: FloatArray, limit: float) -> FloatArray:
        """How far ``values`` are beyond a limit, as a share of it; met where <= 0.

        The limit is an upper one, or a lower one where larger is better. There are no shares of 0:
        beyond that limit, the values themselves count.
        """
        over = values / limit - 1.0 if limit else values
        return over if self.smaller_is_better else -over

    def value_at(self, excess: float, limit: float) -> float:
        """The value that is beyond a limit by ``excess``, see :meth:`excess`."""
        over = excess if self.smaller_is_better else -excess
        return (over + 1.0) * limit if limit else over

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
    """A number with so many significant digits, all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


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
        Metric(
            "instructions_m",
            "instructions",
            "M",
            "million instructions per inference",
            objective="instructions",
        ),
        Metric(VIOLATION, "constraint violation", "", "sum of the constraint violations"),
    )
}
#: What can be minimised, by the name of the objective.
OBJECTIVES = {metric.objective: metric for metric in METRICS.values() if metric.objective}
#: What has a limit, by the name of the constraint, in the order of the columns of ``G``. That is
#: the table from below, memory first; so a metric with a further limit stands above the others.
LIMITED = {metric.limit: metric for metric in reversed(METRICS.values()) if metric.limit}


def metric_table(own: Iterable[Metric], accuracy_of: str) -> dict[str, Metric]:
    """All metrics by name: the known ones, then those that evaluators bring.

    Args:
        own: metrics that evaluators bring, and known ones.
        accuracy_of: what accuracy and error are measured on, for their labels.

    Raises:
        InputError: if one of these has the name of another metric.
    """
    table = dict(METRICS)
    for metric in own:
        if table.setdefault(metric.name, metric) != metric:
            raise InputError(
                f"two metrics are called {metric.name!r}; give the one that an evaluator brings "
                "another name, or only the name if the known one is meant"
            )
    for name in ("accuracy", "error"):
        table[name] = replace(table[name], label=f"{name} on {accuracy_of}, %")
    return table


def objectives_in(table: dict[str, Metric]) -> dict[str, Metric]:
    """What can be minimised, by the name of the objective: a metric of one's own by its name."""
    own = (metric for metric in table.values() if metric.objective or metric.name not in METRICS)
    return {metric.objective or metric.name: metric for metric in own}


def limits_in(table: dict[str, Metric], limited: Iterable[str]) -> dict[str, Metric]:
    """The constraints of those metrics, by name, in the order of the columns of ``G``."""
    wanted = set(limited)
    known = {name: metric for name, metric in LIMITED.items() if metric.name in wanted}
    named = {metric.name for metric in known.values()}
    others = (metric for metric in table.values() if metric.name in wanted - named)
    return known | {metric.limit or metric.name: metric for metric in others}

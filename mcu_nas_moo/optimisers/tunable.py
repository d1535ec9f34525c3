"""How far the tuning command may change a hyperparameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value: TypeAlias = "bool | int | float | str"
#: Points of a grid over a range.
GRID_POINTS = 3


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    def distribution(self) -> BaseDistribution:
        """As Optuna samples it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def grid(self) -> list[Value]:
        """All values."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, both included; an integer if both are.

    Attributes:
        low, high: the ends.
        log: whether ratios matter, not differences; ``low`` is positive then.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def distribution(self) -> BaseDistribution:
        """As Optuna samples it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def grid(self) -> list[Value]:
        """:data:`GRID_POINTS` values, both ends among them."""
        shares = [point / (GRID_POINTS - 1) for point in range(GRID_POINTS)]
        if self.log:
            points = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            points = [self.low + (self.high - self.low) * share for share in shares]
        if self.whole:
            return list(dict.fromkeys(round(point) for point in points))
        return list(points)


Tunable: TypeAlias = "Choice | Range"
#: By the name of the hyperparameter.
Stage: TypeAlias = "dict[str, Tunable]"

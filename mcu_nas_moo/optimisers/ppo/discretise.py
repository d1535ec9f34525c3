"""Between Optuna's parameters and the option indices of a discrete space.

Each parameter becomes a gene. A category, and each value of an integer or of a float with a step,
is an option. A parameter with more values than there may be bins, and every continuous float, is
cut into bins of equal width, or of equal ratio if it is logarithmic; a value is then drawn from
its bin, and any value belongs to the bin that holds it. Options of numbers are in order, those of
other categories are not.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.distributions import BaseDistribution

    from mcu_nas_moo.common.arrays import IntArray


class Options(Protocol):
    """The options of one parameter."""

    @property
    def count(self) -> int:
        """Number of options."""

    @property
    def exact(self) -> bool:
        """Whether each option is a single value."""

    @property
    def ordered(self) -> bool:
        """Whether neighbouring options are alike."""

    def index(self, value: Any) -> int:
        """The option that holds ``value``.

        Raises:
            ValueError: if none does.
        """

    def value(self, index: int, rng: np.random.Generator) -> Any:
        """A value of the option, as a plain Python object."""


@dataclass(frozen=True)
class Categories:
    """The choices of a categorical parameter; in order if they are numbers that only grow."""

    distribution: CategoricalDistribution
    exact = True

    @property
    def ordered(self) -> bool:
        choices = self.distribution.choices
        numbers = [c for c in choices if isinstance(c, int | float) and not isinstance(c, bool)]
        return len(numbers) == len(choices) and all(a < b for a, b in pairwise(numbers))

    @property
    def count(self) -> int:
        return len(self.distribution.choices)

    def index(self, value: Any) -> int:
        return int(self.distribution.to_internal_repr(value))

    def value(self, index: int, rng: np.random.Generator) -> Any:
        return self.distribution.choices[index]


@dataclass(frozen=True)
class Steps:
    """Evenly spaced numbers, alone or in bins of neighbours."""

    distribution: IntDistribution | FloatDistribution
    bins: int
    ordered = True

    @cached_property
    def starts(self) -> list[int]:
        """First step of each bin."""
        steps = self._step_of(self.distribution.high) + 1
        if steps <= self.bins:
            return list(range(steps))
        if not self.distribution.log:
            return [steps * k // self.bins for k in range(self.bins)]
        # Only integers with a step of 1 can be logarithmic: step k is the value low + k.
        low = int(self.distribution.low)
        edges = np.geomspace(low, low + steps, self.bins, endpoint=False)
        return sorted({0} | {math.ceil(edge) - low for edge in edges.tolist()[1:]})

    @cached_property
    def ends(self) -> list[int]:
        """One past the last step of each bin."""
        return [*self.starts[1:], self._step_of(self.distribution.high) + 1]

    @property
    def count(self) -> int:
        return len(self.starts)

    @property
    def exact(self) -> bool:
        return self.ends[-1] == self.count

    def index(self, value: Any) -> int:
        internal = self.distribution.to_internal_repr(value)
        if not self.distribution._contains(internal):
            raise ValueError(f"{value} is not a value of {self.distribution}")
        return bisect_right(self.starts, self._step_of(value)) - 1

    def value(self, index: int, rng: np.random.Generator) -> Any:
        step, end = self.starts[index], self.ends[index]
        if end - step > 1:
            step += int(rng.random() * (end - step))
        value = self.distribution.low + step * self.distribution.step  # type: ignore[operator]
        return min(value, self.distribution.high)

    def _step_of(self, value: float) -> int:
        offset = value - self.distribution.low
        if isinstance(self.distribution, IntDistribution):
            return int(offset) // self.distribution.step
        return round(offset / self.distribution.step)  # type: ignore[operator]


@dataclass(frozen=True)
class Interval:
    """A continuous range in bins."""

    distribution: FloatDistribution
    bins: int
    ordered = True

    @property
    def count(self) -> int:
        return 1 if self.exact else self.bins

    @property
    def exact(self) -> bool:
        return self.distribution.single()

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return self._scaled(self.distribution.low), self._scaled(self.distribution.high)

    def index(self, value: Any) -> int:
        number = self.distribution.to_internal_repr(value)
        if not self.distribution._contains(number):
            raise ValueError(f"{value} is not a value of {self.distribution}")
        if self.exact:
            return 0
        low, high = self._ends
        return min(int((self._scaled(number) - low) / (high - low) * self.bins), self.bins - 1)

    def value(self, index: int, rng: np.random.Generator) -> float:
        low, high = self._ends
        scaled = low + (high - low) * (index + float(rng.random())) / self.bins
        value = math.exp(scaled) if self.distribution.log else scaled
        return min(max(value, self.distribution.low), self.distribution.high)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.distribution.log else value


def options_of(distribution: BaseDistribution, bins: int) -> Options:
    """The options of a parameter, at most ``bins`` unless it is categorical."""
    if isinstance(distribution, CategoricalDistribution):
        return Categories(distribution)
    if isinstance(distribution, IntDistribution):
        return Steps(distribution, bins)
    if isinstance(distribution, FloatDistribution):
        continuous = distribution.step is None
        return Interval(distribution, bins) if continuous else Steps(distribution, bins)
    raise ValueError(f"{type(distribution).__name__} is no distribution that PPO knows")


class Grid:
    """The option indices of a search space, one gene per parameter in the order of their names.

    Args:
        space: the parameters, at least one.
        bins: most options of a numeric parameter.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], bins: int) -> None:
        self.space = dict(sorted(space.items()))
        self.bins = bins
        self._options = {name: options_of(d, bins) for name, d in self.space.items()}
        self.n_choices = np.array([o.count for o in self._options.values()], dtype=np.int64)
        #: Whether neighbouring options are alike, one per gene.
        self.ordered = [options.ordered for options in self._options.values()]
        #: Whether each point is a single combination of values, so that no finer grid exists.
        self.exact = all(options.exact for options in self._options.values())
        #: Number of points.
        self.size: int = math.prod(self.n_choices.tolist())

    def encode(self, params: Mapping[str, Any], default: IntArray | None = None) -> IntArray | None:
        """The point that holds these parameters, shape ``(n_genes,)``.

        Args:
            params: values by name; others than those of the space are ignored.
            default: the option of each parameter that is missing.

        Returns:
            None if a parameter is missing and there is no default, if all are, or if one has a
            value outside its range.
        """
        if not params or not (default is None or any(name in params for name in self.space)):
            return None
        point = np.empty(len(self.n_choices), dtype=np.int64)
        for gene, (name, options) in enumerate(self._options.items()):
            if name in params:
                try:
                    point[gene] = options.index(params[name])
                except ValueError:
                    return None
            elif default is None:
                return None
            else:
                point[gene] = default[gene]
        return point

    def decode(self, point: IntArray, rng: np.random.Generator) -> dict[str, Any]:
        """Values for a point; within a bin they are drawn uniformly."""
        return {
            name: options.value(index, rng)
            for (name, options), index in zip(self._options.items(), point.tolist(), strict=True)
        }

"""The gear train of the literature on engineering design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.problem.named.published import Published

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class GearTrain(Published):
    """Compound gear train of two pairs of wheels with 12 to 60 teeth each: 49**4 designs.

    Minimises the deviation from the transmission ratio 6.931 and the number of teeth of the largest
    wheel; the deviation must not exceed half of the ratio. Problem RWMOP7 of Kumar et al. 2021, "A
    benchmark-suite of real-world constrained multi-objective optimization problems and some
    baseline results", Swarm and Evolutionary Computation 67, 100961; first published by Deb,
    Pratap and Moitra 2000, "Mechanical component design for multiple objectives using elitist
    non-dominated sorting GA", PPSN VI.

    Attributes:
        worst: the worst value that each objective can take at a feasible point.
    """

    objectives = ("ratio_deviation", "largest_teeth")
    constraints = ("half_of_ratio",)
    RATIO = 6.931
    LEAST, MOST = 12, 60
    worst = (0.5 * RATIO, float(MOST))

    @property
    def genes(self) -> dict[str, range]:
        """Teeth of the wheels."""
        return {f"wheel{n}_teeth": range(self.LEAST, self.MOST + 1) for n in range(1, 5)}

    @property
    def n_choices(self) -> IntArray:
        """Numbers of teeth."""
        return np.full(4, self.MOST - self.LEAST + 1)

    def evaluate(self, X: Any) -> Any:
        teeth = X + self.LEAST
        deviation = np.abs(self.RATIO - teeth[:, 2:].prod(axis=1) / teeth[:, :2].prod(axis=1))
        return np.column_stack([deviation, teeth.max(axis=1)]), deviation / self.RATIO - 0.5

    def reference_front(self) -> FloatArray:
        """By enumeration: the least deviation for each number of teeth of the largest wheel."""
        front = [(self.worst[0], 0.0)]
        for largest in range(self.LEAST, self.MOST + 1):
            wheels = np.arange(self.LEAST, largest + 1)
            products = np.unique(np.outer(wheels, wheels))
            deviation = np.abs(self.RATIO - np.divide.outer(products, products)).min()
            if deviation < front[-1][0]:
                front.append((float(deviation), float(largest)))
        return np.array(front[1:])

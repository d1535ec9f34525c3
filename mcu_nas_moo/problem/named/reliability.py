"""Redundancy allocation: how many spare parts each stage of a system gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.problem.named.published import Published

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import IntArray


@dataclass(frozen=True)
class Reliability(Published):
    """Five stages in series, each of one to eight parallel components.

    Minimises the probability that the system fails and its cost, under limits of volume, cost and
    weight. Tillman, Hwang and Kuo 1977, "Optimization techniques for system reliability with
    redundancy: a review", IEEE Transactions on Reliability 26(3); with one objective, the best
    system has 3, 2, 2, 3 and 3 components and a reliability of 0.9045. With the cost as a second
    objective it is our variant.
    """

    objectives = ("failure_probability", "system_cost")
    constraints = ("volume", "cost", "weight")
    MOST = 8
    RELIABILITY = (0.80, 0.85, 0.90, 0.65, 0.75)
    VOLUME = (1, 2, 3, 4, 2)
    COST = (7, 7, 5, 9, 4)
    WEIGHT = (7, 8, 8, 6, 9)
    LIMITS = (110.0, 175.0, 200.0)

    @property
    def genes(self) -> dict[str, range]:
        """Components of the stages."""
        return {f"stage{n}_components": range(1, self.MOST + 1) for n in range(1, 6)}

    @property
    def n_choices(self) -> IntArray:
        """Numbers of components."""
        return np.full(5, self.MOST)

    def evaluate(self, X: Any) -> Any:
        n = X + 1.0
        works = (1 - (1 - np.array(self.RELIABILITY)) ** n).prod(axis=1)
        growth = np.exp(n / 4)
        cost = (np.array(self.COST) * (n + growth)).sum(axis=1)
        weight = (np.array(self.WEIGHT) * n * growth).sum(axis=1)
        volume = (np.array(self.VOLUME) * n**2).sum(axis=1)
        used = np.stack([volume, cost, weight], axis=1)
        return np.stack([1 - works, cost], axis=1), used / np.array(self.LIMITS) - 1

"""One number for an evaluation under a preference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray

#: Weight of the sum in the augmented Tchebycheff function; it tells weakly dominated points from
#: those that dominate them (Steuer and Choo, Mathematical Programming 26, 1983).
AUGMENTATION = 0.05

#: Reference point of the hypervolume in each normalised objective: the ends of a front count, too.
CORNER = 1.1
#: A front of one point doubles its range, one of so many points and one stretches it by half.
STRETCH = 10


def violation(G: FloatArray) -> FloatArray:
    """Sum of the constraint violations of each row of ``G`` ``(..., n_con)``; 0 if feasible."""
    total: FloatArray = np.maximum(G, 0.0).sum(axis=-1)
    return total


@dataclass(frozen=True)
class Scale:
    """Range of the objectives: what counts as 0 and as 1, each of shape ``(n_obj,)``."""

    ideal: FloatArray
    nadir: FloatArray

    @classmethod
    def of(cls, front: FloatArray, feasible: FloatArray) -> Scale:
        """Scale of the non-dominated ``front``; of all ``feasible`` rows where that is flat.

        A front of few points is a poor guess of the ranges, and what lies beyond them is worth
        nothing; the fewer points there are, the farther the nadir is moved out.
        """
        ideal = front.min(axis=0)
        nadir = np.where(front.max(axis=0) > ideal, front.max(axis=0), feasible.max(axis=0))
        # A flat objective gets a range that does not vanish beside its value in rounding.
        span = np.where(nadir > ideal, nadir - ideal, np.maximum(1.0, 1e-9 * np.abs(ideal)))
        stretch = 1 + STRETCH / (len(np.unique(front, axis=0)) + STRETCH - 1)
        return cls(ideal, ideal + span * stretch)

    def normalise(self, F: FloatArray) -> FloatArray:
        """Objectives with the ideal at 0 and the nadir at 1; not clipped."""
        scaled: FloatArray = (F - self.ideal) / (self.nadir - self.ideal)
        return scaled

    def hypervolume_added(self, F: FloatArray, directions: FloatArray) -> FloatArray:
        """How much hypervolume each point of a front adds to the others, on a scale of its own.

        Along each direction the best point adds what lies beyond the second best.

        Args:
            F: objectives of the points, shape ``(N, n_obj)``.
            directions: as for :meth:`hypervolume_share`.

        Returns:
            shape ``(N,)``, at least 0.
        """
        values = self.hypervolume_share(F, directions)
        columns = np.arange(values.shape[1])
        best = values.argmax(axis=0)
        highest = values[best, columns]
        values[best, columns] = 0.0
        added = highest - values.max(axis=0)
        return np.bincount(best, weights=added, minlength=len(F)).astype(np.float64)

    def hypervolume_share(self, F: FloatArray, directions: FloatArray) -> FloatArray:
        """Hypervolume scalarisation of points along directions (Deng and Zhang 2019).

        If directions are uniform on the positive part of the unit sphere, the mean over them of the
        best value that a set of points has in each is proportional to the hypervolume of the set.

        Args:
            F: objectives, shape ``(N, n_obj)``.
            directions: positive unit vectors, shape ``(K, n_obj)``.

        Returns:
            shape ``(N, K)``, float32; 0 beyond the reference point.
        """
        inside = np.maximum(CORNER - self.normalise(F), 0.0).astype(np.float32)
        reach = inside[:, :1] / directions[:, 0].astype(np.float32)
        for column in range(1, inside.shape[1]):
            along = directions[:, column].astype(np.float32)
            np.minimum(reach, inside[:, column : column + 1] / along, out=reach)
        share: FloatArray = reach ** directions.shape[1]
        return share

    def reward(self, F: FloatArray, G: FloatArray, weights: FloatArray) -> FloatArray:
        """Reward of evaluations under preferences, in (-1, 1); broadcasts over leading axes.

        In (0, 1) for feasible points: the better the farther a point lies from the reference point
        in the direction of the preference, the measure of :meth:`hypervolume_share`. In (-1, 0) for
        infeasible ones, better the smaller the violation. So no infeasible point is worth as much
        as any feasible one, and the scale has no units.

        Args:
            F: objectives, shape ``(..., n_obj)``.
            G: constraints, shape ``(..., n_con)``.
            weights: preferences, positive with sum 1, shape ``(..., n_obj)``.
        """
        excess = violation(G)
        inside = CORNER - self.normalise(F)
        length = np.linalg.norm(weights, axis=-1)
        reach = (inside / weights).min(axis=-1) * length + AUGMENTATION * inside.mean(axis=-1)
        achieved = (1 + reach / (1 + np.abs(reach))) / 2
        value: FloatArray = np.where(excess > 0, 1 / (1 + excess) - 1, achieved)
        return value

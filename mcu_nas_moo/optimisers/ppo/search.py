"""Which points to evaluate next, by what a surrogate expects of many candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.common.genotypes import row_keys
from mcu_nas_moo.optimisers.ppo.variation import offspring

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcu_nas_moo.common.arrays import BoolArray, FloatArray, Genotypes, IntArray
    from mcu_nas_moo.optimisers.ppo.memory import Rows
    from mcu_nas_moo.optimisers.ppo.reward import Scale
    from mcu_nas_moo.optimisers.ppo.surrogate import Surrogate

#: Directions along which the hypervolume is measured.
DIRECTIONS = 128
#: The most promising candidates, of which a batch is put together.
SHORTLIST = 300


class SurrogateSearch:
    """Finds the batch of new points that is expected to add most hypervolume.

    The hypervolume is the mean of a scalarisation over random directions (Golovin and Zhang, ICML
    2020): what a point adds is the mean of its gains over the best value known in each direction,
    which costs little for any number of objectives. The gain counts with the probability that
    the point is feasible.

    Args:
        surrogate: judges candidates.
        scale: range of the objectives.
        elites: evaluated points to begin with, feasible or not.
        believed: points that are being evaluated; they count as if they were what is expected.
        n_choices: options per gene.
        fresh: reduces points to those that are new, in the form in which they are evaluated.
        rng: source of all randomness.
        optimism: candidates are taken to be this many standard errors better than expected.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        scale: Scale,
        elites: Rows,
        believed: Genotypes,
        n_choices: IntArray,
        fresh: Callable[[Genotypes], Genotypes],
        rng: np.random.Generator,
        optimism: float,
    ) -> None:
        self._optimism = optimism
        self._surrogate, self._scale, self._rng = surrogate, scale, rng
        self._n_choices, self._fresh = n_choices, fresh
        self._directions = directions(DIRECTIONS, len(scale.ideal), rng)
        feasible: BoolArray = np.asarray((elites.G <= 0).all(axis=1))
        values = self._scalarised(elites.F) * feasible[:, None]
        # The best value and point of each direction; without a feasible point any elite will do.
        best = values.argmax(axis=0)
        self._known = values.max(axis=0)
        self._champions = elites.X[
            np.where(self._known > 0, best, rng.integers(len(elites.X), size=len(best)))
        ]
        self._champion_values = self._known.copy()
        if len(believed):
            expected = surrogate.predict(believed)
            values = self._scalarised(expected.F) * expected.feasible[:, None]
            self._known = np.maximum(self._known, values.max(axis=0))
        self._seen: set[bytes] = set()
        self._sampled: list[BoolArray] = []
        self._X: list[Genotypes] = []
        self._values: list[FloatArray] = []
        self._feasible: list[FloatArray] = []

    def judge(self, X: Genotypes, *, sampled: bool = False) -> None:
        """Take points ``(N, n_genes)`` into consideration; say if the policy sampled them."""
        X = self._fresh(X)
        new = []
        for row, key in enumerate(row_keys(X)):
            if key not in self._seen:
                self._seen.add(key)
                new.append(row)
        if not new:
            return
        X = X[new]
        expected = self._surrogate.predict(X, self._optimism)
        values = self._scalarised(expected.F)
        likely = values * expected.feasible[:, None].astype(np.float32)
        # Where nothing counts yet, what is likelier to be feasible is better.
        likely += 1e-6 * expected.feasible[:, None].astype(np.float32)
        best = likely.argmax(axis=0)
        columns = np.arange(len(best))
        better = likely[best, columns] > self._champion_values
        self._champions[better] = X[best[better]]
        self._champion_values[better] = likely[best, columns][better]
        self._sampled.append(np.full(len(X), sampled))
        self._X.append(X)
        self._values.append(values)
        self._feasible.append(expected.feasible.astype(np.float32))

    def breed(self, count: int) -> None:
        """Judge children of the best point of each direction."""
        rng, champions = self._rng, self._champions
        first = champions[rng.integers(len(champions), size=count)]
        second = champions[rng.integers(len(champions), size=count)]
        self.judge(offspring(first, second, self._n_choices, rng))

    def best(self, count: int) -> tuple[Genotypes, BoolArray]:
        """Choose at most ``count`` candidates, one after the other by what each adds.

        Returns:
            the candidates ``(n, n_genes)``, and which of them the policy sampled ``(n,)``.
        """
        if not self._X:
            return np.empty((0, len(self._n_choices)), dtype=np.int64), np.empty(0, dtype=bool)
        X, values = np.concatenate(self._X), np.concatenate(self._values)
        feasible = np.concatenate(self._feasible)
        known = self._known.astype(np.float32)
        gain = np.maximum(values - known, 0).mean(axis=1) * feasible
        rows = np.lexsort((-feasible, -gain))[:SHORTLIST]
        values, feasible = values[rows], feasible[rows]
        chosen: list[int] = []
        for _ in range(min(count, len(rows))):
            gain = (np.maximum(values - known, 0).mean(axis=1) + 1e-12) * feasible
            gain[chosen] = -1.0
            chosen.append(int(gain.argmax()))
            # What is gained counts with the chance that the point is feasible.
            known = known + feasible[chosen[-1]] * np.maximum(values[chosen[-1]] - known, 0)
        chosen_rows = rows[chosen]
        return X[chosen_rows], np.concatenate(self._sampled)[chosen_rows]

    @property
    def champions(self) -> Genotypes:
        """The best point of each direction, known or expected, shape ``(n, n_genes)``."""
        return self._champions

    @property
    def weights(self) -> FloatArray:
        """The directions as preferences, with sum 1, shape ``(n, n_obj)``."""
        weights: FloatArray = self._directions / self._directions.sum(axis=1, keepdims=True)
        return weights

    def _scalarised(self, F: FloatArray) -> FloatArray:
        return self._scale.hypervolume_share(F, self._directions)


def directions(count: int, n_obj: int, rng: np.random.Generator) -> FloatArray:
    """Positive unit vectors ``(count, n_obj)``, uniform on the sphere but for a tenth along axes.

    Along an axis one objective counts alone, which leads to the ends of the front.
    """
    vectors = np.abs(rng.standard_normal((count, n_obj)))
    along = np.arange(round(count / 10))
    vectors[along] *= 0.01
    vectors[along, (along + rng.integers(n_obj)) % n_obj] = 1.0
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit

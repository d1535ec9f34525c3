"""Grid search over genes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.optimisers.simple.known_networks import KnownNetworks, combinations

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.optimiser import Setting


class Grid:
    """The full factorial of evenly spaced options, as many per gene as the budget allows.

    A gene with one level takes its middle option, with more it takes its ends and what lies evenly
    between. Genes take turns to get one level more, in an order that the seed draws, as long as
    the grid fits the budget. Its networks are evaluated in random order. Genotypes that denote
    the same network count once; what they and the steps of the levels leave of the budget goes to
    the next finer grids.
    """

    def __init__(self, setting: Setting) -> None:
        self._space = setting.task.space
        self._rng = np.random.default_rng(setting.seed)
        self._known = KnownNetworks(self._space)
        self._order = self._rng.permutation(self._space.n_genes)
        levels = np.ones(self._space.n_genes, dtype=np.int64)
        while (finer := self._finer(levels)) is not None and prod(finer.tolist()) <= setting.budget:
            levels = finer
        self._levels: IntArray | None = levels
        self.settings: dict[str, Any] = {"levels": levels.tolist()}

    def ask(self) -> Genotypes:
        X = np.zeros((0, self._space.n_genes), dtype=np.int64)
        while len(X) == 0 and self._levels is not None:
            points = self._rng.permutation(self._points(self._levels))
            X = points[self._known.add(points)]
            self._levels = self._finer(self._levels)
        return X

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        pass

    def _finer(self, levels: IntArray) -> IntArray | None:
        """One level more for a gene that has fewest; None if all options are levels."""
        coarse = [gene for gene in self._order if levels[gene] < self._space.n_choices[gene]]
        if not coarse:
            return None
        finer = levels.copy()
        finer[min(coarse, key=lambda gene: levels[gene])] += 1
        return finer

    def _points(self, levels: IntArray) -> Genotypes:
        """All combinations of the levels, shape ``(prod(levels), n_genes)``, canonical."""
        steps = combinations(levels, 0, prod(levels.tolist()))
        last = self._space.n_choices - 1
        # One level lies in the middle, several reach from end to end.
        spread = np.rint(steps * last / np.maximum(levels - 1, 1)).astype(np.int64)
        return self._space.canonical(np.where(levels == 1, last // 2, spread))

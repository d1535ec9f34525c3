"""Pareto local search with restarts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.genotypes import mutate, row_keys
from mcu_nas_moo.optimisers.simple.known_networks import KnownNetworks

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.contracts.optimiser import Setting


#: Along which hypervolume is estimated.
DIRECTIONS = 128


@dataclass(frozen=True)
class LocalSearchSettings:
    """Hyperparameters.

    Attributes:
        start: random networks that the search begins with, at least 1.
        neighbours: evaluated of one network between two choices of a network, at least 1.

    Raises:
        InputError: for a value outside its range.
    """

    start: int = 50
    neighbours: int = 8

    def __post_init__(self) -> None:
        for name in ("start", "neighbours"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")


class ParetoLocalSearch:
    """Paquete, Chiarandini and Stützle (2004): the neighbours of an archive, until none improves.

    Made any-time as by Dubois-Lacoste, López-Ibáñez and Stützle (2015).

    The archive holds what no evaluated network dominates; while nothing is feasible, it holds the
    network with the least violation of the constraints. Neighbours are one gene away and are
    evaluated some at a time, in random order. Next comes the member of the archive, among those
    not yet searched to the end, that adds most hypervolume to it. When all are searched to the
    end, the archive is locally optimal, and the search goes on from mutants of it with ever more
    genes changed. No network is proposed twice; a run ends early when none is left.
    """

    def __init__(self, setting: Setting) -> None:
        self._space = setting.task.space
        hyperparameters: dict[str, Any] = dict(setting.hyperparameters)
        self._chosen = LocalSearchSettings(**hyperparameters)
        self.settings = asdict(self._chosen)
        self._rng = np.random.default_rng(setting.seed)
        self._known = KnownNetworks(self._space)
        #: The archive; ``F`` holds the sum of violations alone while nothing is feasible.
        self.X: Genotypes = np.zeros((0, self._space.n_genes), dtype=np.int64)
        self.F: FloatArray = np.zeros((0, setting.task.n_obj))
        self._feasible = False
        #: Neighbours that are left of each member that was looked at, by its key.
        self._left: dict[bytes, Genotypes] = {}
        self._strength = 1

    def ask(self) -> Genotypes:
        if len(self.X) == 0:
            return self._known.draw(self._chosen.start, self._rng)
        keys = row_keys(self.X)
        shares = hypervolume_shares(self.F, self._rng)
        for row in np.lexsort((self._rng.random(len(shares)), -shares)):
            X = self._neighbours(self.X[row], keys[row])
            if len(X):
                return X
        return self._mutants()

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        violation = np.maximum(G, 0.0).sum(axis=1)
        met = violation == 0
        if met.any() and not self._feasible:
            self._feasible = True
            self.X, self.F = self.X[:0], F[:0]
        if self._feasible:
            self._add(X[met], F[met])
        else:
            self._add(X, violation[:, None])

    def _neighbours(self, x: Genotypes, key: bytes) -> Genotypes:
        """The next neighbours of ``x`` that were not proposed yet; no rows if none is left."""
        if key not in self._left:
            self._left[key] = self._rng.permutation(self._space.neighbours(x))
        fresh = self._known.missing(self._left[key])
        self._left[key] = fresh[self._chosen.neighbours :]
        fresh = fresh[: self._chosen.neighbours]
        self._known.add(fresh)
        return fresh

    def _mutants(self) -> Genotypes:
        """Unknown networks around the archive, each time with one gene more changed."""
        n_choices = self._space.n_choices
        free = max(int((n_choices > 1).sum()), 1)
        self._strength = min(self._strength + 1, free)
        rows = self._rng.integers(len(self.X), size=self._chosen.start)
        X = self._space.canonical(mutate(self.X[rows], n_choices, self._rng, self._strength / free))
        fresh = X[self._known.add(X)]
        return fresh if len(fresh) else self._known.draw(self._chosen.start, self._rng)

    def _add(self, X: Genotypes, F: FloatArray) -> None:
        """Take in what the archive does not weakly dominate, and drop what that dominates."""
        if len(self.X) == 0:
            self.F = F[:0]
        for x, f in zip(X, F, strict=True):
            if (self.F <= f).all(axis=1).any():
                continue
            kept = (self.F < f).any(axis=1)
            self.X = np.concatenate([self.X[kept], x[None]])
            self.F = np.concatenate([self.F[kept], f[None]])
            self._strength = 1


def hypervolume_shares(F: FloatArray, rng: np.random.Generator) -> FloatArray:
    """How much hypervolume each point of a front adds, estimated along random directions.

    Along a line from the reference point towards the ideal, the dominated part is a power of the
    length up to the front; the point that ends the line adds what lies beyond the second best
    (Deng and Zhang 2019). The exact contributions take long for many points and objectives.

    Args:
        F: non-dominated points, shape ``(N, n_obj)``, in any units.
        rng: draws :data:`DIRECTIONS` directions.

    Returns:
        shape ``(N,)``, at least 0, on a scale of its own.
    """
    n, n_obj = F.shape
    low, high = F.min(axis=0), F.max(axis=0)
    to_corner = 1.1 - (F - low) / np.where(high > low, high - low, 1.0)
    directions = np.maximum(np.abs(rng.standard_normal((DIRECTIONS, n_obj))), 1e-9)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.full((n, DIRECTIONS), np.inf)
    for gap, direction in zip(to_corner.T, directions.T, strict=True):
        np.minimum(lengths, gap[:, None] / direction, out=lengths)
    columns = np.arange(DIRECTIONS)
    best = lengths.argmax(axis=0)
    longest = lengths[best, columns]
    lengths[best, columns] = 0.0
    added = longest**n_obj - lengths.max(axis=0) ** n_obj
    shares: FloatArray = np.bincount(best, weights=added, minlength=n).astype(np.float64)
    return shares

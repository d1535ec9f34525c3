"""All that was evaluated in a run, and the best of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import moocore
import numpy as np

from mcu_nas_moo.ppo.reward import Scale, violation

if TYPE_CHECKING:
    from mcu_nas_moo.typing import FloatArray, Genotypes, IntArray


class Rows(NamedTuple):
    """Evaluations: ``X`` ``(N, n_genes)``, ``F`` ``(N, n_obj)``, ``G`` ``(N, n_con)``."""

    X: Genotypes
    F: FloatArray
    G: FloatArray

    def take(self, rows: IntArray | list[int]) -> Rows:
        """The evaluations with these row numbers."""
        return Rows(self.X[rows], self.F[rows], self.G[rows])

    def then(self, other: Rows) -> Rows:
        """These evaluations, followed by those of ``other``."""
        X, F, G = (np.concatenate(pair) for pair in zip(self, other, strict=True))
        return Rows(X, F, G)


class Memory:
    """Remembers evaluations by key, and keeps the elites: parents and models for imitation.

    Elites are all feasible points that no other dominates. If they are fewer than ``size``, the
    next best follow: dominated points by their rank, then infeasible ones by their violation.
    The rank is that among the elites and the newest evaluations, not among all there were.

    Args:
        n_genes: columns of the genotypes.
        n_objectives: columns of the objectives.
        n_constraints: columns of the constraints, may be 0.
        size: least number of elites, once so many points are known.
    """

    def __init__(self, n_genes: int, n_objectives: int, n_constraints: int, size: int) -> None:
        self.size = size
        self.elites = Rows(
            np.empty((0, n_genes), dtype=np.int64),
            np.empty((0, n_objectives)),
            np.empty((0, n_constraints)),
        )
        self.scale = Scale(np.zeros(n_objectives), np.ones(n_objectives))
        self._values: dict[bytes, tuple[FloatArray, FloatArray]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: bytes) -> bool:
        return key in self._values

    def recall(self, key: bytes) -> tuple[FloatArray, FloatArray]:
        """Objectives ``(n_obj,)`` and constraints ``(n_con,)`` of a point evaluated before.

        Raises:
            KeyError: if it was not.
        """
        return self._values[key]

    def add(self, keys: list[bytes], rows: Rows) -> None:
        """Remember evaluations; repeated ones do not count again."""
        new = []
        for row, key in enumerate(keys):
            if key not in self._values:
                self._values[key] = (rows.F[row], rows.G[row])
                new.append(row)
        if not new:
            return
        pool = self.elites.then(rows.take(new))
        excess = violation(pool.G)
        feasible = np.flatnonzero(excess == 0)
        infeasible = np.setdiff1d(np.arange(len(excess)), feasible)
        infeasible = infeasible[np.argsort(excess[infeasible], kind="stable")]
        front = 0
        if len(feasible):
            rank = moocore.pareto_rank(pool.F[feasible])
            front = int((rank == 0).sum())
            feasible = feasible[np.argsort(rank, kind="stable")]
            self.scale = Scale.of(pool.F[feasible[:front]], pool.F[feasible])
        best = np.concatenate([feasible, infeasible])[: max(front, self.size)]
        self.elites = pool.take(best)

    def choose(self, weights: FloatArray, tournament: int, rng: np.random.Generator) -> Genotypes:
        """For each preference ``(N, n_obj)`` the best of some random elites, ``(N, n_genes)``."""
        n_elites = len(self.elites.X)
        drawn = rng.integers(0, n_elites, size=(len(weights), min(tournament, n_elites)))
        rewards = self.scale.reward(self.elites.F[drawn], self.elites.G[drawn], weights[:, None, :])
        chosen: Genotypes = self.elites.X[drawn[np.arange(len(drawn)), rewards.argmax(axis=1)]]
        return chosen

"""All that was evaluated in a run, and the best of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import moocore
import numpy as np

from mcu_nas_moo.optimisers.ppo.reward import Scale, violation

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray


class Rows(NamedTuple):
    """Evaluations: ``X`` ``(N, n_genes)``, ``F`` ``(N, n_obj)``, ``G`` ``(N, n_con)``."""

    X: Genotypes
    F: FloatArray
    G: FloatArray

    def take(self, rows: IntArray | list[int] | slice) -> Rows:
        """The evaluations with these row numbers."""
        return Rows(self.X[rows], self.F[rows], self.G[rows])


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
        self._row: dict[bytes, int] = {}
        self._rows = Rows(
            np.empty((0, n_genes), dtype=np.int64),
            np.empty((0, n_objectives)),
            np.empty((0, n_constraints)),
        )
        # Elites among the first rows; those after them are looked at when elites are asked for.
        self._elite_rows = np.empty(0, dtype=np.int64)
        self._settled = 0
        self._scale = Scale(np.zeros(n_objectives), np.ones(n_objectives))

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, key: bytes) -> bool:
        return key in self._row

    @property
    def rows(self) -> Rows:
        """All evaluations, each point once, in the order in which they were told."""
        return self._rows.take(slice(len(self)))

    def recall(self, key: bytes) -> tuple[FloatArray, FloatArray]:
        """Objectives ``(n_obj,)`` and constraints ``(n_con,)`` of a point evaluated before.

        Raises:
            KeyError: if it was not.
        """
        row = self._row[key]
        return self._rows.F[row], self._rows.G[row]

    def add(self, keys: list[bytes], rows: Rows) -> None:
        """Remember evaluations; repeated ones do not count again."""
        new = []
        for row, key in enumerate(keys):
            if key not in self._row:
                self._row[key] = len(self._row)
                new.append(row)
        if new:
            self._append(rows.take(new))

    @property
    def elites(self) -> Rows:
        """The best evaluations: first those that nothing dominates."""
        self._settle()
        return self.rows.take(self._elite_rows)

    @property
    def scale(self) -> Scale:
        """Range of the objectives on the feasible front."""
        self._settle()
        return self._scale

    def _settle(self) -> None:
        if self._settled == len(self):
            return
        pool = np.concatenate([self._elite_rows, np.arange(self._settled, len(self))])
        F, excess = self.rows.F[pool], violation(self.rows.G[pool])
        feasible = np.flatnonzero(excess == 0)
        infeasible = np.flatnonzero(excess > 0)
        infeasible = infeasible[np.argsort(excess[infeasible], kind="stable")]
        front = 0
        if len(feasible):
            rank = moocore.pareto_rank(F[feasible])
            front = int((rank == 0).sum())
            feasible = feasible[np.argsort(rank, kind="stable")]
            self._scale = Scale.of(F[feasible[:front]], F[feasible])
        else:
            self._scale = Scale.of(F, F)
        best = np.concatenate([feasible, infeasible])[: max(front, self.size)]
        self._elite_rows, self._settled = pool[best], len(self)

    def _append(self, rows: Rows) -> None:
        end, start = len(self), len(self) - len(rows.X)
        if end > len(self._rows.X):
            # Twice the room, so that the cost of a row does not grow with their number.
            room = max(2 * end, 64)
            self._rows = Rows(
                *(np.resize(column, (room, column.shape[1])) for column in self._rows)
            )
        for column, added in zip(self._rows, rows, strict=True):
            column[start:end] = added

    def informative(self, count: int, rng: np.random.Generator) -> Rows:
        """At most ``count`` evaluations to learn from: elites, the newest, and random others.

        Half are elites, if there are so many, and a quarter or more the newest.
        """
        n = len(self)
        if n <= count:
            return self.rows
        self._settle()
        best = self._elite_rows
        if len(best) > count // 2:
            best = rng.choice(best, count // 2, replace=False)
        taken = np.zeros(n, dtype=bool)
        taken[best] = True
        others = np.flatnonzero(~taken)
        newest = others[len(others) - (count - len(best)) // 2 :]
        taken[newest] = True
        others = np.flatnonzero(~taken)
        taken[rng.choice(others, count - int(taken.sum()), replace=False)] = True
        return self.rows.take(np.flatnonzero(taken))

    def choose(self, weights: FloatArray, tournament: int, rng: np.random.Generator) -> Genotypes:
        """For each preference ``(N, n_obj)`` the best of some random elites, ``(N, n_genes)``."""
        elites = self.elites
        n = len(elites.X)
        drawn = rng.integers(0, n, size=(len(weights), min(tournament, n)))
        rewards = self.scale.reward(elites.F[drawn], elites.G[drawn], weights[:, None, :])
        chosen: Genotypes = elites.X[drawn[np.arange(len(drawn)), rewards.argmax(axis=1)]]
        return chosen

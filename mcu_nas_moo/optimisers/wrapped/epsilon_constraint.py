"""A single-objective GA, swept over bounds on the remaining objectives.

This is how a GA is used in practice for a trade-off: minimise the first objective (error) once
for each of several bounds on the others (latency ≤ 20 ms, ≤ 40 ms, ...). The ε-constraint method
goes back to Haimes, Lasdon and Wismer (1971).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.termination import get_termination

from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.genotypes import row_keys
from mcu_nas_moo.optimisers.wrapped.pymoo_optimisers import (
    UNLIMITED,
    VariationSettings,
    blank_problem,
)

if TYPE_CHECKING:
    from mcu_nas_moo.common.arrays import FloatArray, Genotypes, IntArray
    from mcu_nas_moo.contracts.optimiser import Setting

#: Evaluations that one bound gets at least, and the most bounds of a sweep. Runs can be short
#: because each starts from what earlier ones found.
EVALUATIONS_PER_BOUND = 50
MAX_BOUNDS = 40
#: Smallest and largest population.
POPULATION = (10, 20)


@dataclass(frozen=True)
class GASettings(VariationSettings):
    """Hyperparameters of the swept GA.

    Attributes:
        evaluations_per_bound: that a bound gets at least, where the budget allows.
        population: factor on the size, which is a fifth of the bound's evaluations within
            :data:`POPULATION`; positive.
        offspring: children per generation as a share of the population, in (0, 1].
    """

    evaluations_per_bound: int = EVALUATIONS_PER_BOUND
    population: float = 1.0
    offspring: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.evaluations_per_bound < 1:
            raise InputError(
                f"evaluations_per_bound must be at least 1, got {self.evaluations_per_bound}"
            )
        if not self.population > 0:
            raise InputError(f"population must be positive, got {self.population}")
        if not 0 < self.offspring <= 1:
            raise InputError(f"offspring must be in (0, 1], got {self.offspring}")


def bounds(ideal: FloatArray, nadir: FloatArray, count: int) -> FloatArray:
    """Bounds on objectives 2 to n_obj, evenly spaced on (ideal, nadir], loosest first.

    Returns:
        shape ``(K, n_obj - 1)``: the largest regular grid of at most ``count`` bounds; one empty
        row for a single objective.
    """
    dimensions = len(ideal) - 1
    steps = 1
    while dimensions and (steps + 1) ** dimensions <= count:
        steps += 1
    shares = np.array(list(product(np.arange(steps, 0, -1) / steps, repeat=dimensions)))
    bound: FloatArray = ideal[1:] + shares * (nadir - ideal)[1:]
    return bound


class EpsilonConstraintGA:
    """pymoo's GA, run once per bound with an equal share of the budget.

    Each run starts from the best genotypes for its bound that earlier runs met, which are
    evaluated already and cost nothing, filled up with random ones.
    """

    def __init__(self, setting: Setting) -> None:
        task = self._task = setting.task
        self._seed = setting.seed
        self._rng = np.random.default_rng([setting.seed, 1])
        self._span = np.where(setting.nadir > setting.ideal, setting.nadir - setting.ideal, 1.0)
        hyperparameters: dict[str, Any] = dict(setting.hyperparameters)
        self._chosen = GASettings(**hyperparameters)
        count = setting.budget // self._chosen.evaluations_per_bound
        count = int(np.clip(count, 1, MAX_BOUNDS))
        self.bounds = bounds(setting.ideal, setting.nadir, count)
        self._share = -(-setting.budget // len(self.bounds))
        usual = int(np.clip(self._share // 5, *POPULATION))
        self._population = max(round(self._chosen.population * usual), 4)
        self.settings: dict[str, Any] = {
            "pop_size": self._population,
            "bounds": self.bounds.tolist(),
            **hyperparameters,
        }
        self._X = np.zeros((0, task.n_genes), dtype=np.int64)
        self._F, self._G = np.zeros((0, task.n_obj)), np.zeros((0, task.n_con))
        self._start_run(0)

    def ask(self) -> Genotypes:
        if self._left == 0:
            self._start_run(self._run + 1)
        self._asked = self._ga.ask()
        if self._asked is None or len(self._asked) == 0:
            self._asked = None
            X = self._task.space.sample(self._population, self._rng)
        else:
            X = np.asarray(self._asked.get("X"), dtype=np.int64)
            known = self._known(X)
            if (known >= 0).all():
                self._advance(known)
                return self.ask()
            X = X[known < 0]
        X = X[: self._left]
        self._expected = len(X)
        return X

    def tell(self, X: Genotypes, F: FloatArray, G: FloatArray) -> None:
        self._X = np.concatenate([self._X, X])
        self._F = np.concatenate([self._F, F])
        self._G = np.concatenate([self._G, G])
        self._left -= len(X)
        if self._asked is None or self._left == 0 or len(X) < self._expected:
            return  # random genotypes, or the end of a run or of the budget
        rows = self._known(np.asarray(self._asked.get("X"), dtype=np.int64))
        rows[rows < 0] = np.arange(len(self._X) - len(X), len(self._X))
        self._advance(rows)

    def _start_run(self, run: int) -> None:
        """Set up the GA of bound number ``run``, from 0."""
        self._run, self._left = run, self._share
        self._bound = self.bounds[min(run, len(self.bounds) - 1)]
        start = self._best(self._population // 2)
        self._start = dict(zip(row_keys(self._X[start]), start.tolist(), strict=True))
        fresh = self._task.space.sample(self._population - len(start), self._rng)
        operators = self._chosen.operators(self._task)
        operators["sampling"] = np.concatenate([self._X[start], fresh])
        self._ga: Any = GA(
            pop_size=self._population,
            n_offsprings=max(round(self._chosen.offspring * self._population), 2),
            **operators,
        )
        self._ga.setup(
            blank_problem(self._task, 1, self._task.n_con + self._task.n_obj - 1),
            termination=get_termination("n_eval", UNLIMITED),
            seed=int(self._rng.integers(2**31)),
        )

    def _advance(self, rows: IntArray) -> None:
        """Give the asked population the results in ``rows`` of all that was evaluated."""
        self._start = {}
        self._asked.set("F", self._F[rows, :1], "G", self._constraints(rows))
        self._ga.tell(infills=self._asked)

    def _constraints(self, rows: IntArray | slice) -> FloatArray:
        """The task's constraints and the excess over the bounds, as shares of their ranges."""
        excess = (self._F[rows, 1:] - self._bound) / self._span[1:]
        return np.concatenate([self._G[rows], excess], axis=1)

    def _best(self, count: int) -> IntArray:
        """Rows of the ``count`` best distinct networks for the current bound."""
        violation = np.maximum(self._constraints(slice(None)), 0.0).sum(axis=1)
        order = np.lexsort((self._F[:, 0], violation))
        canonical = self._task.space.canonical(self._X[order])
        _, first = np.unique(canonical, axis=0, return_index=True)
        return order[np.sort(first)[:count]]

    def _known(self, X: Genotypes) -> IntArray:
        """For each row of ``X`` where its results stand, -1 if it is to be evaluated."""
        return np.array([self._start.get(key, -1) for key in row_keys(X)], dtype=np.int64)

"""Reference fronts by search: random sampling, evolution and Pareto local search, pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mcu_nas_moo.benchmark.references.reference import Reference
from mcu_nas_moo.common.errors import InputError
from mcu_nas_moo.common.genotypes import cross, mutate, row_keys
from mcu_nas_moo.contracts.optimiser import Setting
from mcu_nas_moo.optimisers.register import load_optimiser
from mcu_nas_moo.problem.archive import feasible
from mcu_nas_moo.problem.failures import FiniteValues
from mcu_nas_moo.problem.reachability import smallest_reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcu_nas_moo.common.arrays import FloatArray, Genotypes
    from mcu_nas_moo.problem.task import Task

#: Genotypes evaluated at once.
BATCH = 16_384
#: Batches of variations between two looks at the neighbours.
VARIATIONS = 4
#: Random genotypes, and evaluations of an evolutionary run, that a search begins with.
SAMPLE = 4 * BATCH
EVOLUTION = 10_000
#: Most evaluations of one local search, for two objectives and for more.
CLIMB, CLIMB_MANY = 2_000_000, 100_000


class FrontSearch:
    """The feasible Pareto front of everything evaluated so far.

    Attributes:
        X, F: genotypes in canonical form ``(n, n_genes)`` and their objectives ``(n, n_obj)``.
        evaluations: how many genotypes were evaluated.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.X = np.zeros((0, task.n_genes), dtype=np.int64)
        self.F = np.zeros((0, task.n_obj))
        self.evaluations = 0
        self._expanded: set[bytes] = set()

    def add(self, X: Genotypes) -> tuple[FloatArray, FloatArray]:
        """Evaluate ``X`` and keep what belongs to the front; returns ``F`` and ``G``."""
        import moocore

        F, G = self.task.evaluate(X)
        self.evaluations += len(X)
        kept = feasible(G, F)
        pooled_F = np.concatenate([self.F, F[kept]])
        pooled_X = np.concatenate([self.X, self.task.space.canonical(X[kept])])
        if len(pooled_F):
            front = moocore.is_nondominated(pooled_F)
            self.X, self.F = pooled_X[front], pooled_F[front]
        return F, G

    def sample(self, count: int, rng: np.random.Generator) -> None:
        """Evaluate ``count`` uniform genotypes."""
        for start in range(0, count, BATCH):
            self.add(self.task.space.sample(min(BATCH, count - start), rng))

    def evolve(self, algorithm: str, budget: int, seed: int) -> None:
        """Run an optimiser of the register for ``budget`` evaluations."""
        span = (self.F.min(axis=0), self.F.max(axis=0))
        optimiser = load_optimiser(algorithm)(Setting(self.task, *span, budget, seed))
        finite = FiniteValues(*span)
        left = budget
        while left > 0:
            X = optimiser.ask()[:left]
            if not len(X):
                return
            optimiser.tell(X, *finite(*self.add(X)))
            left -= len(X)

    def vary(self, batches: int, rng: np.random.Generator) -> None:
        """Evaluate crossovers and mutations of the front, :data:`BATCH` at a time.

        Several genes change at once, which gets the search out of what :meth:`climb` ends in.
        """
        genes = self.task.n_genes
        for _ in range(batches):
            first, second = self.X[rng.integers(len(self.X), size=(2, BATCH))]
            crossed = rng.random(BATCH) < 0.5
            children = np.where(crossed[:, None], cross(first, second, rng), first)
            self.add(mutate(children, self.task.n_choices, rng, rate=min(2.5 / genes, 1.0)))

    def improve(self, rounds: int, rng: np.random.Generator) -> bool:
        """Take turns with :meth:`vary` and :meth:`climb`; returns whether the front is closed."""
        closed = self.climb()
        for _ in range(rounds):
            self.vary(VARIATIONS, rng)
            closed = self.climb()
        return closed

    def climb(self) -> bool:
        """Pareto local search (Paquete et al. 2004) over all one-gene neighbours of the front.

        Ends at the latest after :data:`CLIMB`, or with more than two objectives, whose fronts
        have thousands of points, after :data:`CLIMB_MANY` evaluations.

        Returns:
            whether the front is closed: no neighbour of any of its points belongs to it.
        """
        end = self.evaluations + (CLIMB if self.task.n_obj <= 2 else CLIMB_MANY)
        while self.evaluations < end:
            fresh = [
                (x, key)
                for x, key in zip(self.X, row_keys(self.X), strict=True)
                if key not in self._expanded
            ]
            if not fresh:
                return True
            around = np.concatenate([self.task.space.neighbours(x) for x, _ in fresh])
            around = np.unique(around, axis=0)
            for start in range(0, len(around), BATCH):
                if self.evaluations >= end:
                    return False
                self.add(around[start : start + BATCH])
            self._expanded.update(key for _, key in fresh)
        return False


def pooled_reference(
    task: Task,
    *,
    seed: int = 0,
    searches: int = 3,
    rounds: int = 2,
    found: Sequence[Genotypes] = (),
    say: Callable[[str], object] = lambda _: None,
) -> Reference:
    """Search for the task's Pareto front several times over and pool what is found.

    Deterministic for a seed. The front cannot be called exact, but if its origin says that it is
    closed, each of its points is Pareto optimal among its one-gene neighbours.

    Args:
        searches: independent searches; a search that is stuck in one region ends up in another
            one the next time.
        rounds: how often each of them varies the front and looks for better neighbours.
        found: genotypes that others found, such as the archives of long runs, pooled as well.

    Raises:
        InputError: if no feasible genotype was found.
    """
    rng = np.random.default_rng([seed, 20])
    pooled = FrontSearch(task)
    spent = 0
    for number in range(searches):
        say(f"search {number + 1} of {searches}")
        search = FrontSearch(task)
        search.sample(SAMPLE, rng)
        if len(search.F) == 0:
            example = smallest_reachable(task, seed=seed).feasible_example
            if example is None:
                raise InputError(
                    f"found no subnet of {task.space.name} within the limits of "
                    f"{task.device_name}; relax a limit"
                )
            search.add(example[None, :])
        search.evolve("nsga2", EVOLUTION, int(rng.integers(2**31)))
        search.improve(rounds, rng)
        pooled.add(search.X)
        spent += search.evaluations
    say("pooled front")
    for X in found:
        pooled.add(X)
    closed = pooled.improve(rounds, rng)
    order = np.lexsort(pooled.F.T[::-1])
    return Reference(
        task.facts(),
        X=pooled.X[order],
        F=pooled.F[order],
        origin={
            "seed": seed,
            "searches": searches,
            "rounds": rounds,
            "pooled_runs": len(found),
            "evaluations": spent + pooled.evaluations,
            "closed": closed,
        },
    )
